"""`pgflow compile`: a flow as SQL."""

from __future__ import annotations

from pathlib import Path

import click

from pgflow.cli._command import pgflow_command
from pgflow.cli._flows import load_flow
from pgflow.cli._session import Session


@pgflow_command(
    "compile", example="pgflow compile flows.hello:hello -o migrations/0007_hello.sql", database=False
)
@click.argument("flow", metavar="MODULE:FLOW")
@click.option(
    "-o", "--output", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file."
)
def command(session: Session, flow: str, file: Path | None) -> None:
    """Turn a flow into a migration file that a DBA can read.

    Applying the file is what `pgflow deploy` does: applied twice it changes nothing.
    """
    loaded = load_flow(flow, session.config)
    sql = loaded.to_sql()
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(sql if sql.endswith("\n") else sql + "\n", encoding="utf-8")
    if session.as_json:
        session.output.document({"flow_slug": loaded.slug, "file": file, "sql": sql})
    elif file is None:
        click.echo(sql.rstrip("\n"))
    else:
        steps = len(loaded.definition.steps)
        session.output.line(f"wrote {file}: flow {loaded.slug}, {steps} step{'' if steps == 1 else 's'}")
