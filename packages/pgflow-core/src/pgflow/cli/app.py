"""The group `pgflow`: knows every command by name and imports the one that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import click
from click.shell_completion import CompletionItem

from pgflow import __version__
from pgflow.cli._group import CommandGroup
from pgflow.cli._lasting import import_for_good

__all__ = ["SECTIONS", "app", "main"]

#: Section -> command -> one-line help, so that `pgflow --help` need not import the commands.
SECTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "Start": {
        "init": "Write a pgflow.toml and a first flow that runs.",
        "dev": "Serve a project while you work on it: database, flows and workers in one command.",
        "completion": "Print a script that lets a shell complete commands, options, flows, runs and steps.",
    },
    "Database and flows": {
        "migrate": "Install the schema, or bring it up to date.",
        "compile": "Turn a flow into a migration file that a DBA can read.",
        "deploy": "Define flows in the database.",
        "graph": "Draw a flow.",
        "typegen": "Write the types of flows for handlers and clients in another language.",
        "plugins": "List the executors, the commands of plugins, and the plugins that are broken.",
        "doctor": "Look for what is wrong with the project, the database and the work in it.",
    },
    "Runs": {
        "run": "Start a run, and follow it to its end.",
        "runs": "List runs, newest first.",
        "status": "Show one run, step by step.",
        "logs": "Show what the tasks of a run logged and printed, attempt by attempt.",
        "cancel": "Cancel a run.",
        "retry": "Run again what failed or was cancelled, or everything from one step on.",
        "pause": "Let nothing new start, of a run or on an executor.",
        "resume": "End the pause of a run or of an executor.",
        "prune": "Delete runs that ended long ago, with all their rows.",
        "retention": "Show or set how long runs are kept after their end.",
    },
    "Serve": {
        "dispatch": "Claim ready tasks and run them, until told to stop.",
        "serve": "Serve the completion API, health and metrics of the database over HTTP.",
        "keys": "Make, list and revoke the keys of workers that pull their tasks over HTTP.",
    },
}


class LazyGroup(CommandGroup):
    """A group whose commands live in `pgflow.cli.commands.<name>`, or in plugins, and are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command, in the order of the help."""
        return [name for commands in _sections().values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if not _is_ours(cmd_name):
            from pgflow.cli._plugged import load_command, plugged_commands

            point = plugged_commands().get(cmd_name)
            return None if point is None else load_command(point)
        module = import_for_good(f"pgflow.cli.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command, without importing any."""
        commands = [(name, text) for texts in _sections().values() for name, text in texts.items()]
        items = [CompletionItem(name, help=text) for name, text in commands if name.startswith(incomplete)]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, without importing them."""
        sections = _sections()
        width = max(len(name) for commands in sections.values() for name in commands)
        for section, commands in sections.items():
            with formatter.section(section):
                formatter.write_dl([(name.ljust(width), text) for name, text in commands.items()])


def _sections() -> Mapping[str, Mapping[str, str]]:
    """Return our commands, then those of plugins; ours keep their names."""
    from pgflow.cli._plugged import origin, plugged_commands

    added = {
        name: f"Of {origin(point)}; `pgflow {name} --help` says more."
        for name, point in plugged_commands().items()
        if not _is_ours(name)
    }
    return {**SECTIONS, "Plugins": added} if added else SECTIONS


def _is_ours(name: str) -> bool:
    return any(name in commands for commands in SECTIONS.values())


@click.group(
    "pgflow",
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="pgflow init && pgflow run flows.hello:hello --wait",
)
@click.version_option(__version__, prog_name="pgflow")
def app() -> None:
    """Run workflows whose whole state lives in PostgreSQL.

    Settings come from pgflow.toml and PGFLOW_* variables.  The database is the one of --dsn,
    PGFLOW_DSN, DATABASE_URL or pgflow.toml; without any, an embedded PostgreSQL starts by itself.
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit: 0 ok, 1 a failed run or check, 2 wrong use."""
    app(args, prog_name="pgflow")
