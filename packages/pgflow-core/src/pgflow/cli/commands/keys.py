"""`pgflow keys`: the keys of workers that pull."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import click
from rich.markup import escape

from pgflow.cli._command import pgflow_command
from pgflow.cli._durations import read_duration
from pgflow.cli._group import CommandGroup
from pgflow.cli._options import executor_option, flow_option
from pgflow.cli._output import ago
from pgflow.cli._session import Session
from pgflow.database.execute import fetch
from pgflow.database.statements.keys import WorkerKey, create_worker_key, revoke_worker_key, worker_keys

_EXAMPLE = (
    "pgflow keys create --executor browser --flow thumbnails --expires 90d front-end\n"
    "pgflow keys list --json\n"
    "pgflow keys revoke 3f1c8f7e-6d0c-4a63-9f0e-2a1f0f1f9c11"
)


@click.group("keys", cls=CommandGroup, epilog=_EXAMPLE)
def command() -> None:
    """Make, list and revoke the keys of workers that pull their tasks over HTTP.

    A key lets its bearer claim tasks through /v1/tasks/claim, of the executors and flows that it names.
    """


@pgflow_command("create", example="pgflow keys create --executor browser --expires 90d front-end")
@click.argument("name")
@executor_option(
    "--executor", "executors", multiple=True, required=True, help="Whose tasks it claims; may be repeated."
)
@flow_option("--flow", "flows", multiple=True, help="Of this flow only; may be repeated (default: of all).")
@click.option(
    "--expires",
    type=read_duration,
    metavar="TIME",
    help="For how long it is good: 12h, 90d (default: for ever).",
)
def create(
    session: Session,
    name: str,
    executors: tuple[str, ...],
    flows: tuple[str, ...],
    expires: timedelta | None,
) -> None:
    """Make a key.

    NAME says who will use it.  The key is shown this once: the database keeps its hash.
    """
    seconds = None if expires is None else expires.total_seconds()
    with session.connection() as connection:
        made = fetch(connection, create_worker_key(name, executors, flows or None, seconds))
    if session.as_json:
        session.output.document({"key_id": made.key_id, "key": made.key})
        return
    session.output.note(f"key {made.key_id}, shown this once: keep it where the worker finds it")
    session.output.line(made.key)


@pgflow_command("list", example="pgflow keys list")
def list_keys(session: Session) -> None:
    """List the keys, newest first, those that are worth nothing any more included."""
    with session.connection() as connection:
        found = fetch(connection, worker_keys())
    if session.as_json:
        session.output.document([key._asdict() for key in found])
        return
    headings = ("KEY", "NAME", "STATE", "EXECUTORS", "FLOWS", "LAST USED")
    session.output.table(headings, [_row(key) for key in found])


@pgflow_command("revoke", example="pgflow keys revoke 3f1c8f7e-6d0c-4a63-9f0e-2a1f0f1f9c11")
@click.argument("key_id", type=UUID)
def revoke(session: Session, key_id: UUID) -> None:
    """Let nothing more be claimed with a key, from now on.

    KEY_ID is what `pgflow keys list` shows, not the key itself.  Tasks that were claimed with it may finish.
    """
    with session.connection() as connection:
        result = fetch(connection, revoke_worker_key(key_id))
    if session.as_json:
        session.output.document({"key_id": key_id, "result": result})
    else:
        session.output.line(f"key {key_id}: {result.replace('_', ' ')}")


def _row(key: WorkerKey) -> list[str]:
    state = "revoked" if key.revoked_at else "expired" if key.is_expired else "valid"
    flows = ", ".join(key.flows) if key.flows else "all"
    used = "never" if key.last_used_at is None else ago(key.last_used_at)
    return [str(key.key_id), *map(escape, (key.name, state, ", ".join(key.executors), flows, used))]


for subcommand in (create, list_keys, revoke):
    command.add_command(subcommand)
