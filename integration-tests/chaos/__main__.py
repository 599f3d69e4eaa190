"""`hatch run chaos [--seed N] [--tasks N] [--seconds S]`: break everything, then count."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from chaoskit.game import Rules, play


def main() -> int:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="decides what is broken when (default 1)")
    parser.add_argument("--tasks", type=int, default=20_000, help="default 20000")
    parser.add_argument(
        "--seconds", type=float, default=120.0, help="time in which things break (default 120)"
    )
    parser.add_argument(
        "--pace", type=float, default=1.0, help="seconds between faults, on average (default 1)"
    )
    chosen = parser.parse_args()
    rules = Rules(chosen.seed, chosen.tasks, chosen.seconds, pace=chosen.pace)
    with tempfile.TemporaryDirectory(prefix="pgflow-chaos-") as folder:
        verdict = play(rules, Path(folder))
    print(f"\nseed {rules.seed}, {rules.tasks} tasks, faults for {rules.seconds:g} s\n\n{verdict.table()}")
    for line in verdict.wrong:
        print(f"WRONG: {line}")
    return 1 if verdict.wrong else 0


sys.exit(main())
