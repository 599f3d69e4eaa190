"""Indexes the words that files have in common, and saves the index as JSON."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from pgflow import current_task

from examples.atlas.model import FileFacts, Folder, Keyword, SavedIndex

__all__ = ["StorageBusyError", "index_keywords", "save_index"]

_KEYWORDS: Final = 36


def index_keywords(facts: Sequence[FileFacts]) -> list[Keyword]:
    """Find the words that most files have in common."""
    places: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for fact in facts:
        for word, count in fact.keywords.items():
            places[word][fact.path] = count
    keywords = [
        Keyword(word, len(counts), sum(counts.values()), max(sorted(counts), key=counts.__getitem__))
        for word, counts in places.items()
    ]
    return sorted(keywords, key=lambda k: (-k.files, -k.count, k.word))[:_KEYWORDS]


class StorageBusyError(Exception):
    """The storage refused to write; it may accept in a moment."""


def save_index(folder: Folder, keywords: Sequence[Keyword]) -> SavedIndex:
    """Save the index beside the report.

    The first attempt is refused on purpose, as a busy storage would refuse it: this is how the demo shows a
    failed attempt, its back-off and its second attempt.  Everything else in the atlas is real.
    """
    attempt = current_task().attempt
    if attempt == 1:
        raise StorageBusyError("the index storage is busy (the demo refuses every first attempt)")
    output = Path(folder.output).resolve()
    output.mkdir(parents=True, exist_ok=True)
    path = output / "keywords.json"
    path.write_text(json.dumps([asdict(keyword) for keyword in keywords], indent=1), encoding="utf-8")
    return SavedIndex(str(path), attempt, list(keywords))
