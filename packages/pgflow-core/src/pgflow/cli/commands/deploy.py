"""`pgflow deploy`: flows into the database."""

from __future__ import annotations

import click

from pgflow.cli._command import pgflow_command
from pgflow.cli._deploying import deploy, print_deployed
from pgflow.cli._flows import configured_flows, load_flow
from pgflow.cli._session import Session
from pgflow.client import Client


@pgflow_command(
    "deploy", example="pgflow deploy\npgflow deploy flows.hello:hello --dsn postgresql://localhost/app"
)
@click.argument("flows", nargs=-1, metavar="[MODULE:FLOW]...")
def command(session: Session, flows: tuple[str, ...]) -> None:
    """Define flows in the database.

    Without arguments those that pgflow.toml names.  A flow that changed becomes a new version, which new
    runs take; runs under way keep theirs.  Deploying the same flow again changes nothing.
    """
    config = session.config
    loaded = [load_flow(reference, config) for reference in flows] if flows else configured_flows(config)
    with session.connection() as connection:
        deployed = deploy(session, Client(connection=connection), loaded)
    if session.as_json:
        session.output.document(deployed)
        return
    for each in deployed:
        print_deployed(session.output.line, each)
