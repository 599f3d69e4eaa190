"""Adds up the files by language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from examples.atlas.model import FileFacts, FileSize, Language

__all__ = ["count_languages"]


def count_languages(facts: Sequence[FileFacts]) -> list[Language]:
    """Add up the files of each language, the largest language first."""
    by_name: defaultdict[str, list[FileFacts]] = defaultdict(list)
    for fact in facts:
        by_name[fact.language].append(fact)
    languages = [
        Language(
            name,
            sum(fact.lines for fact in own),
            sum(fact.blank for fact in own),
            sum(fact.words for fact in own),
            [FileSize(fact.path, fact.lines) for fact in sorted(own, key=lambda f: (-f.lines, f.path))],
        )
        for name, own in by_name.items()
    ]
    return sorted(languages, key=lambda language: (-language.lines, language.name))
