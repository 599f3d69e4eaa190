"""Defines flows in the database and says what that changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rich.markup import escape

from pgflow import Flow
from pgflow.cli._executors import check_steps
from pgflow.cli._session import Session
from pgflow.client import Client, Deployed

__all__ = ["deploy", "print_deployed"]


def deploy(session: Session, client: Client, flows: Iterable[Flow[Any, Any]]) -> list[Deployed]:
    """Define each flow, after all of them passed the checks of the executors they name."""
    checked = list(flows)
    for flow in checked:
        for warning in check_steps(flow.definition, session.config):
            session.output.note(f"[yellow]note:[/] {escape(warning)}")
    return [client.deploy(flow) for flow in checked]


def print_deployed(say: Callable[[str], None], deployed: Deployed) -> None:
    """Say which version is active now, and what is new in it."""
    name = f"[bold]{escape(deployed.flow_slug)}[/] version {deployed.flow_version}"
    if not deployed.created:
        say(f"{name} [dim]unchanged[/]")
        return
    say(f"{name} [green]new[/]")
    for change in deployed.changes:
        say(f"  {escape(str(change))}")
