"""Reads option values that several commands share."""

from __future__ import annotations

from collections.abc import Iterable

from pgflow.cli._problems import Problem

__all__ = ["read_tags"]


def read_tags(pairs: Iterable[str]) -> dict[str, str]:
    """Read KEY=VALUE pairs."""
    tags: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise Problem(f"{pair!r} is not a tag", mend="write --tag KEY=VALUE")
        tags[key] = value
    return tags
