"""What groups of commands have in common: an example, and the nearest name for a mistyped one."""

from __future__ import annotations

import difflib

import click

from pgflow.cli._example import write_example
from pgflow.cli._problems import Problem

__all__ = ["CommandGroup"]


class CommandGroup(click.Group):
    """A group that answers an unknown command with a problem like any other."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read what stands before the command; what does not fit is a problem like any other."""
        as_json = "--json" in args
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            what = error.format_message().removesuffix(".")
            mend = f"options follow their command: `{ctx.command_path} COMMAND {error.option_name} ...`"
            raise Problem(what, mend=mend, kind="UsageError", as_json=as_json) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest the nearest name."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            known = self.list_commands(ctx)
            close = difflib.get_close_matches(name, known, n=1)
            lists = f"`{ctx.command_path} --help` lists the commands"
            hint = f"did you mean `{close[0]}`?" if close else lists
            raise Problem(f"there is no command `{name}`", mend=hint, as_json="--json" in args)
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example, line by line."""
        write_example(formatter, self.epilog or "")
