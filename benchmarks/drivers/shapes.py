"""Flows of many steps, and how many of them each runs: what the drivers of all contenders agree on."""

CHAINED = 1_000
LAYER = 1_000
DIAMONDS = 25

# A ladder's diamonds share their corners; the left side of each is skipped.
STEPS_OF = {"long_chain": CHAINED, "layer": LAYER + 2, "ladder": 2 * DIAMONDS + 1}
