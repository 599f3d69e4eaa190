"""What `pause` and `resume` share: the run or the executor that is meant, and the answer."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from rich.markup import escape

from pgflow.cli._lookup import find_run
from pgflow.cli._options import executor_option, run_argument
from pgflow.cli._problems import Problem
from pgflow.cli._session import Session
from pgflow.database.execute import fetch
from pgflow.database.statement import Statement

__all__ = ["change_pause", "pause_target"]


def pause_target(function: Callable[..., None]) -> Callable[..., None]:
    """Add the argument RUN_ID and the option --executor, of which a command wants one."""
    option = executor_option("--executor", help="A whole executor instead of a run.")
    return run_argument(required=False)(option(function))


def change_pause(
    session: Session,
    run_id: str | None,
    executor: str | None,
    *,
    of_run: Callable[[UUID], Statement[str]],
    of_executor: Callable[[str], Statement[str]],
) -> None:
    """Pause or resume what is meant, and say what that did; raises Problem unless one thing is named."""
    if (run_id is None) == (executor is None):
        said = "no run and no executor is named" if run_id is None else "a run and an executor are named"
        raise Problem(said, mend="name one: RUN_ID, or --executor NAME")
    with session.connection() as connection:
        if executor is not None:
            result = fetch(connection, of_executor(executor))
            named: dict[str, object] = {"executor": executor}
        else:
            found = find_run(connection, str(run_id))
            result = fetch(connection, of_run(found))
            named = {"run_id": found}
    if session.as_json:
        session.output.document({**named, "result": result})
        return
    what = f"executor {executor}" if executor is not None else f"run {named['run_id']}"
    session.output.line(f"{escape(what)}: {result.replace('_', ' ')}")
