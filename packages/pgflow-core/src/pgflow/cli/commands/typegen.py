"""`pgflow typegen`: the types of flows for other languages."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from pgflow.cli._command import pgflow_command
from pgflow.cli._flows import configured_flows, load_flow
from pgflow.cli._session import Session


@pgflow_command(
    "typegen",
    example="pgflow typegen --lang typescript flows.hello:hello -o src/flows.ts",
    database=False,
)
@click.argument("flows", metavar="[MODULE:FLOW]...", nargs=-1)
@click.option("--lang", type=click.Choice(["typescript"]), required=True, help="The language to write.")
@click.option(
    "-o", "--output", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file."
)
def command(session: Session, flows: tuple[str, ...], lang: str, file: Path | None) -> None:
    """Write the types of flows for handlers and clients in another language.

    Of all flows of pgflow.toml, unless some are named.  The types are those of the Python code: of each
    flow's input and output, and of each step's.
    """
    from pgflow.typegen import typescript_module

    loaded = [load_flow(each, session.config) for each in flows] or configured_flows(session.config)
    text = typescript_module(loaded, shlex.join(["pgflow", "typegen", "--lang", lang, *flows]))
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    if session.as_json:
        slugs = [flow.slug for flow in loaded]
        session.output.document({"flow_slugs": slugs, "file": file, "text": text})
    elif file is None:
        click.echo(text.rstrip("\n"))
    else:
        session.output.line(f"wrote {file}: {', '.join(flow.slug for flow in loaded)}")
