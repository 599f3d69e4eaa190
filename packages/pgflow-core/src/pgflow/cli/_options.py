"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click

from pgflow.cli._completing import complete_executor, complete_flow, complete_run, complete_step
from pgflow.cli._problems import Problem

__all__ = ["executor_option", "flow_option", "read_tags", "run_argument", "step_argument", "step_option"]

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def run_argument(*, required: bool = True) -> Decorator:
    """Make the argument RUN_ID."""
    return click.argument("run_id", required=required, shell_complete=complete_run)


def step_argument() -> Decorator:
    """Make the argument STEP, which may be left out."""
    return click.argument("step", required=False, shell_complete=complete_step)


def step_option(name: str, *, help: str) -> Decorator:  # noqa: A002
    """Make an option that takes a step of the run."""
    return click.option(name, metavar="STEP", help=help, shell_complete=complete_step)


def flow_option(*names: str, help: str, **more: Any) -> Decorator:  # noqa: A002
    """Make an option that takes the slug of a deployed flow."""
    return click.option(*names, metavar="FLOW", help=help, shell_complete=complete_flow, **more)


def executor_option(*names: str, help: str, **more: Any) -> Decorator:  # noqa: A002
    """Make an option that takes the name of a configured executor."""
    return click.option(*names, metavar="NAME", help=help, shell_complete=complete_executor, **more)


def read_tags(pairs: Iterable[str]) -> dict[str, str]:
    """Read KEY=VALUE pairs."""
    tags: dict[str, str] = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not separator or not key:
            raise Problem(f"{pair!r} is not a tag", mend="write --tag KEY=VALUE")
        tags[key] = value
    return tags
