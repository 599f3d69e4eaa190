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
@click.option(
    "--last-words",
    default=_USUAL.last_words,
    show_default=True,
    help="Seconds that a process may go on after it was told to end.",
)
def serve(session: Session, folder: Path, **options: Any) -> None:
    """Serve a folder of edge functions under Deno, as Supabase serves them.

    FOLDER holds a folder for each function; each runs in a process of its own, at /functions/v1/<name>,
    within the platform's limits.  A changed source is served with the next request.  PGFLOW_SIGNING_SECRET,
    unless their variables say it, is the signing_secret of the executor in pgflow.toml or the environment.
    """
    limits = Limits(**{name: options.pop(name) for name in ("wall_clock", "idle", "memory_mb", "last_words")})
    serving = Serving(folder, **options, limits=limits, signing_secret=_signing_secret(session))
    try:
        command, environment = serving.command(), serving.environment()
    except DenoMissing as error:
        raise Problem(str(error), mend="`pip install 'pgflow-supabase[serve]'`") from None
    os.execve(command[0], command, environment)  # noqa: S606  signals reach the server itself


def _signing_secret(session: Session) -> str | None:
    """Return what the dispatcher of this project signs with, if its executors of this kind agree on it."""
    tables = [table for table in session.config.settings.executors.values() if table.use == "supabase"]
    secrets = {
        str(table.settings["signing_secret"]) for table in tables if "signing_secret" in table.settings
    }
    return secrets.pop() if len(secrets) == 1 else None


for subcommand in (add, serve):
    command.add_command(subcommand)
