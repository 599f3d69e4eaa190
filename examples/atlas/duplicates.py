"""Finds lines that were written twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from examples.atlas.model import Duplicate, FileFacts, Place

__all__ = ["find_duplicates"]


def find_duplicates(facts: Sequence[FileFacts]) -> list[Duplicate]:
    """Find the blocks that stand in more than one place, the most lines first."""
    places: defaultdict[tuple[str, int], list[Place]] = defaultdict(list)
    for fact in facts:
        for block in fact.blocks:
            places[block.fingerprint, block.lines].append(Place(fact.path, block.line))
    found = [Duplicate(lines, where) for (_, lines), where in places.items() if len(where) > 1]
    return sorted(found, key=lambda d: (-d.lines * len(d.places), d.places[0].path, d.places[0].line))
