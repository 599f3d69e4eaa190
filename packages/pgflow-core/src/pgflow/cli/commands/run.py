"""`pgflow run`: one run, from its start to its result."""

from __future__ import annotations

from typing import Final

import click
from rich.markup import escape

from pgflow.cli._command import pgflow_command
from pgflow.cli._completing import complete_flow
from pgflow.cli._following import Following, follow, following_options, workers
from pgflow.cli._input import read_input
from pgflow.cli._options import read_tags
from pgflow.cli._problems import problem_of
from pgflow.cli._session import Opened, Session
from pgflow.cli._starting import RunOptions, StartedRun, start_run
from pgflow.database.connection import connect
from pgflow.errors import InputError

_GIVE: Final = "give the input: --input JSON, or --input @FILE"
_CORRECT: Final = "correct the input and start the run again"


@pgflow_command(
    "run",
    example="pgflow run flows.hello:hello --wait\n"
    'pgflow run hello --input \'{"body": "so it goes"}\' --wait\n'
    "pgflow run hello --input @text.json",
)
@click.argument("flow", metavar="FLOW|MODULE:FLOW", shell_complete=complete_flow)
@click.option("--input", "input_text", metavar="JSON|@FILE|-", help="The input (default: {}); - reads stdin.")
@following_options
@click.option("--priority", type=click.IntRange(-100, 100), help="Higher runs first (-100 to 100).")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Kept with the run; may be repeated.")
@click.option("--idempotency-key", metavar="KEY", help="Start at most one run of the flow with this key.")
def command(
    session: Session,
    *,
    flow: str,
    input_text: str | None,
    following: Following,
    priority: int | None,
    tags: tuple[str, ...],
    idempotency_key: str | None,
) -> None:
    """Start a run, and follow it to its end.

    FLOW is the slug of a deployed flow.  MODULE:FLOW is deployed first, if it changed.  The exit code is 1
    if the run failed or was cancelled.
    """
    given = read_input(input_text)
    options = RunOptions(priority, idempotency_key, read_tags(tags))
    with (
        session.database() as opened,
        connect(opened.dsn, application_name="pgflow run") as connection,
        workers(session, opened, following) as child,
    ):
        try:
            started = start_run(session, connection, flow, given, options)
        except InputError as error:
            problem = problem_of(error)
            problem.mend = f"{_GIVE if input_text is None else _CORRECT}; no run was started"
            raise problem from None
        if following.wait:
            follow(session, connection, started.run_id, following, child)
        else:
            _announce(session, opened, started)


def _announce(session: Session, opened: Opened, started: StartedRun) -> None:
    output = session.output
    if session.as_json:
        output.document(started)
        return
    state = "started" if started.created else "had been started before as"
    output.line(f"{state} run {started.run_id} of {escape(started.flow_slug)} version {started.flow_version}")
    if opened.is_ours:
        output.note("its tasks wait for a dispatcher: `pgflow dev`, or `pgflow run ... --wait`")
