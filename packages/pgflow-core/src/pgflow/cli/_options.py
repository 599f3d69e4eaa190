"""Reads option values that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

from pgflow.cli._problems import Problem

__all__ = ["flow_option", "read_tags"]


def flow_option(*names: str, help: str) -> Callable[[Callable[..., None]], Callable[..., None]]:  # noqa: A002
    """Make an option that takes the slug of a deployed flow."""
    return click.option(*names, metavar="FLOW", help=help)


def read_tags(pairs: Iterable[str]) -> dict[str, str]:
    """Read KEY=VALUE pairs."""
    tags: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise Problem(f"{pair!r} is not a tag", mend="write --tag KEY=VALUE")
        tags[key] = value
    return tags
