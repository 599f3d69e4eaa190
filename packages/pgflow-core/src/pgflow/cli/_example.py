"""Writes the example that ends every help text."""

from __future__ import annotations

import click

__all__ = ["write_example"]


def write_example(formatter: click.HelpFormatter, example: str) -> None:
    """Write the lines of an example as they are; click would fold them."""
    with formatter.section("Example"):
        for line in example.splitlines():
            formatter.write(" " * formatter.current_indent + line + "\n")
