"""`pgflow edge`: edge functions on this machine, and the package that they import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from pgflow.cli.kit import CommandGroup, Problem, Session, pgflow_command

from pgflow_supabase.serving import DenoMissing, Limits, Serving
from pgflow_supabase.vendoring import add_package

_USUAL = Limits()
_FOLDER = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))


@click.group(
    "edge",
    cls=CommandGroup,
    epilog="pgflow edge add supabase/functions\npgflow edge serve supabase/functions",
)
def command() -> None:
    """Serve Supabase Edge Functions on this machine, and give them what they import."""


@pgflow_command("add", example="pgflow edge add supabase/functions", database=False)
@_FOLDER
def add(session: Session, folder: Path) -> None:
    """Put the package @pgflow/edge among the functions, or renew it there.

    FOLDER holds a folder for each function.  Deployed with them, the package needs no registry.
    """
    target = add_package(folder)
    if session.as_json:
        session.output.document({"package": target})
    else:
        session.output.line(f"wrote {target}")


@pgflow_command("serve", example="pgflow edge serve supabase/functions --wall-clock 20", database=False)
@_FOLDER
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=54321, show_default=True, help="Port to listen on, 0 for any.")
@click.option("--key", metavar="KEY", help="What the header apikey must be (default: anything).")
@click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Variables of the functions, a NAME=value a line (default: FOLDER/.env).",
)
@click.option(
    "--wall-clock", default=_USUAL.wall_clock, show_default=True, help="Seconds that a process may live."
)
@click.option(
    "--idle", default=_USUAL.idle, show_default=True, help="Seconds that a request may go unanswered."
)
@click.option(
    "--memory-mb", default=_USUAL.memory_mb, show_default=True, help="MiB of heap that a process may have."
)
def serve(session: Session, folder: Path, **options: Any) -> None:
    """Serve a folder of edge functions under Deno, as Supabase serves them.

    FOLDER holds a folder for each function; each runs in a process of its own, at /functions/v1/<name>,
    within the platform's limits.  A changed source is served with the next request.
    """
    limits = Limits(**{name: options.pop(name) for name in ("wall_clock", "idle", "memory_mb")})
    serving = Serving(folder, **options, limits=limits)
    try:
        command, environment = serving.command(), serving.environment()
    except DenoMissing as error:
        raise Problem(str(error), mend="`pip install 'pgflow-supabase[serve]'`") from None
    os.execve(command[0], command, environment)  # noqa: S606  signals reach the server itself


for subcommand in (add, serve):
    command.add_command(subcommand)
