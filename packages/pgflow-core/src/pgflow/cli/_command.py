"""What every command has in common: its options, its example, its errors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pgflow.cli._problems import Problem, problem_of
from pgflow.cli._session import Session
from pgflow.errors import PgflowError

__all__ = ["pgflow_command"]


class Command(click.Command):
    """A command whose expected errors are shown as problems."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        as_json = bool(ctx.params.get("as_json"))
        try:
            return super().invoke(ctx)
        except Problem as problem:
            problem.as_json = as_json
            raise
        except (PgflowError, OSError) as error:
            problem = problem_of(error)
            problem.as_json = as_json
            raise problem from error


def pgflow_command(
    name: str, *, example: str, database: bool = True
) -> Callable[[Callable[..., None]], click.Command]:
    """Make a command of a function whose first parameter is the Session.

    `example` ends the help.  With `database` the command takes --dsn.
    """

    def wrap(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        def call(*, as_json: bool, config_file: Path | None, dsn: str | None = None, **rest: Any) -> None:
            function(Session(as_json=as_json, config_file=config_file, dsn=dsn), **rest)

        options: list[Callable[[Callable[..., None]], Callable[..., None]]] = [
            click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text."),
            click.option(
                "--config",
                "config_file",
                metavar="FILE",
                type=click.Path(path_type=Path),
                help="Read FILE instead of the nearest pgflow.toml.",
            ),
        ]
        if database:
            options.insert(
                0, click.option("--dsn", help="The database, as a PostgreSQL URL or key=value string.")
            )
        decorated: Callable[..., None] = call
        for option in options:
            decorated = option(decorated)
        lines = "\n".join(f"  {line}" for line in example.splitlines())
        return click.command(name, cls=Command, epilog=f"\b\nExample:\n{lines}")(decorated)

    return wrap
