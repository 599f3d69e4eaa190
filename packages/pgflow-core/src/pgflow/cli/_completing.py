"""Completes arguments in a shell from what the configuration and the database hold.

It answers within about two seconds or not at all, says nothing when something is wrong, and starts no server.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    import psycopg

    from pgflow.config import Config

__all__ = ["complete_executor", "complete_flow", "complete_run", "complete_step"]

_SECONDS: Final = 2.0
_RUNS: Final = 50

Items = list[CompletionItem]


def complete_flow(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete the slug of a deployed flow."""

    def ask(connection: psycopg.Connection[Any]) -> Items:
        from pgflow.database.execute import fetch
        from pgflow.database.statements.definitions import list_flows

        return [CompletionItem(flow.flow_slug) for flow in fetch(connection, list_flows())]

    return _starting_with(incomplete, _asked(ctx, ask))


def complete_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete a run id; the flow and the status stand beside it."""

    def ask(connection: psycopg.Connection[Any]) -> Items:
        from pgflow.client import Client

        runs = Client(connection=connection).runs(limit=_RUNS)
        return [
            CompletionItem("latest", help="the newest run"),
            *(CompletionItem(str(run.run_id), help=f"{run.flow_slug} {run.status}") for run in runs),
        ]

    return _starting_with(incomplete, _asked(ctx, ask))


def complete_step(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete a step of the run that is named before it."""

    def ask(connection: psycopg.Connection[Any]) -> Items:
        from pgflow.cli._lookup import find_run
        from pgflow.client import Client

        run = Client(connection=connection).get_progress(find_run(connection, ctx.params["run_id"]))
        return [CompletionItem(step.step_slug, help=step.status) for step in run.steps]

    return _starting_with(incomplete, _asked(ctx, ask))


def complete_executor(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Complete the name of a configured executor."""
    try:
        names = list(_config(ctx).settings.executors)
    except Exception:  # whatever is wrong: the command itself will tell
        return []
    return _starting_with(incomplete, [CompletionItem(name) for name in names])


def _starting_with(incomplete: str, items: Items) -> Items:
    return [item for item in items if item.value.startswith(incomplete)]


def _asked(ctx: click.Context, ask: Callable[[psycopg.Connection[Any]], Items]) -> Items:
    """Ask the database in a thread that is left to itself when it takes too long."""
    found: Items = []

    def work() -> None:
        try:
            found.extend(_on_connection(ctx, ask))
        except Exception:  # whatever is wrong: the command itself will tell
            found.clear()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(_SECONDS)
    return [] if thread.is_alive() else found


def _on_connection(ctx: click.Context, ask: Callable[[psycopg.Connection[Any]], Items]) -> Items:
    from pgflow.config import Database
    from pgflow.database.connection import connect
    from pgflow.embedded import EmbeddedServer

    choice = _config(ctx).database(ctx.params.get("dsn"))
    if isinstance(choice, Database):
        dsn: str | None = choice.dsn.get_secret_value()
    else:
        dsn = EmbeddedServer.running(choice.data_dir)
    if dsn is None:
        return []
    with connect(dsn, application_name="pgflow completion") as connection:
        return ask(connection)


def _config(ctx: click.Context) -> Config:
    from pgflow.config import load

    file: Path | None = ctx.params.get("config_file")
    return load(file=file)
