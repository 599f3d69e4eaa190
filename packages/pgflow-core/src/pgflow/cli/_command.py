"""What every command has in common: its options, its example, its errors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pgflow.cli._example import write_example
from pgflow.cli._problems import Problem, problem_of
from pgflow.cli._session import Session
from pgflow.errors import PgflowError

__all__ = ["pgflow_command"]

_COMMON = {"dsn", "config_file", "as_json"}


class Command(click.Command):
    """A command whose expected errors are shown as problems."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example, line by line."""
        write_example(formatter, self.epilog or "")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; what does not fit is a problem like any other."""
        as_json = "--json" in args
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            what = error.format_message().removesuffix(".")
            mend = f"`{ctx.command_path} --help` shows its options and an example"
            raise Problem(what, mend=mend, kind="UsageError", as_json=as_json) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (Problem, PgflowError, OSError) as error:
            problem = error if isinstance(error, Problem) else problem_of(error)
            problem.as_json = bool(ctx.params.get("as_json"))
            raise problem from error.__cause__


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
        made = click.command(name, cls=Command, epilog=example)(decorated)
        made.params.sort(key=lambda option: option.name in _COMMON)  # last in the help
        return made

    return wrap
