"""`pgflow graph`: the shape of a flow."""

from __future__ import annotations

from typing import Any, Literal

import click

from pgflow.cli._command import pgflow_command
from pgflow.cli._completing import complete_flow
from pgflow.cli._drawing import to_dot, to_mermaid, to_tree
from pgflow.cli._flows import is_reference, load_flow
from pgflow.cli._session import Session


@pgflow_command("graph", example="pgflow graph flows.hello:hello --format mermaid")
@click.argument("flow", shell_complete=complete_flow)
@click.option(
    "--format",
    "form",
    type=click.Choice(["tree", "mermaid", "dot"]),
    default="tree",
    show_default=True,
    help="A tree for the terminal, or text for Mermaid or Graphviz.",
)
def command(session: Session, flow: str, form: Literal["tree", "mermaid", "dot"]) -> None:
    """Draw a flow.

    FLOW is MODULE:flow, which needs no database, or the slug of a deployed flow.  With --json the
    definition itself is printed.
    """
    definition = _definition(session, flow)
    output = session.output
    if session.as_json:
        output.document(definition)
    elif form == "tree":
        output.block(to_tree(definition))
    else:
        click.echo((to_mermaid if form == "mermaid" else to_dot)(definition))


def _definition(session: Session, flow: str) -> dict[str, Any]:
    if is_reference(flow):
        return load_flow(flow, session.config).definition.to_json()
    from pgflow.cli._lookup import definition_of, find_flow

    with session.connection() as connection:
        return definition_of(find_flow(connection, flow))
