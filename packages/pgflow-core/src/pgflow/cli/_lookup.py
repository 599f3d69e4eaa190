"""Finds what a person named loosely: a run by the start of its id, a flow by its slug."""

from __future__ import annotations

import difflib
import json
import re
from typing import Any, Final
from uuid import UUID

import psycopg

from pgflow.cli._problems import Problem
from pgflow.client import Client, RunProgress
from pgflow.database.execute import fetch
from pgflow.database.statements.definitions import FlowVersion, active_definition, list_flows
from pgflow.database.statements.runs import find_runs

__all__ = ["check_step", "definition_of", "find_flow", "find_run", "unknown_flow"]

_DIGITS: Final = 32
_SHOWN: Final = 5
_PREFIX: Final = re.compile(r"[0-9a-f]{1,32}")


def find_run(connection: psycopg.Connection[Any], text: str) -> UUID:
    """Resolve a run id, a unique start of one, or "latest"; raises Problem."""
    if text == "latest":
        return _latest(connection)
    digits = text.lower().replace("-", "")
    if not _PREFIX.fullmatch(digits):
        raise Problem(f"{text!r} is not a run id", mend="`pgflow runs` lists the runs", kind="RunNotFound")
    if len(digits) == _DIGITS:
        return UUID(digits)
    first, last = UUID(digits.ljust(_DIGITS, "0")), UUID(digits.ljust(_DIGITS, "f"))
    found = fetch(connection, find_runs(first, last, limit=_SHOWN + 1))
    if not found:
        raise Problem(
            f"no run id starts with {text!r}", mend="`pgflow runs` lists the runs", kind="RunNotFound"
        )
    if len(found) > 1:
        some = ", ".join(str(run_id) for run_id in found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
        raise Problem(
            f"several run ids start with {text!r}: {some}", mend="give more of it", kind="RunNotFound"
        )
    return found[0]


def _latest(connection: psycopg.Connection[Any]) -> UUID:
    newest = Client(connection=connection).runs(limit=1)
    if not newest:
        raise Problem("there is no run yet", mend="start one with `pgflow run`", kind="RunNotFound")
    return newest[0].run_id


def check_step(run: RunProgress, step: str | None) -> None:
    """Raise Problem, with the nearest names, if a run has no such step."""
    known = [each.step_slug for each in run.steps]
    if step is None or step in known:
        return
    close = difflib.get_close_matches(step, known, n=1)
    mend = f"did you mean `{close[0]}`?" if close else f"its steps are {', '.join(known)}"
    raise Problem(f"run {run.run_id} has no step {step!r}", mend=mend)


def find_flow(connection: psycopg.Connection[Any], slug: str) -> FlowVersion:
    """Read the active version of a flow; raises Problem with the nearest names."""
    found = fetch(connection, active_definition(slug))
    if found is None:
        raise unknown_flow(connection, slug)
    return found


def unknown_flow(connection: psycopg.Connection[Any], slug: str) -> Problem:
    """Say that there is no such flow, and which names come close."""
    known = [flow.flow_slug for flow in fetch(connection, list_flows())]
    close = difflib.get_close_matches(slug, known, n=3)
    if close:
        mend = "did you mean " + " or ".join(f"`{name}`" for name in close) + "?"
    elif known:
        mend = f"deployed flows are {', '.join(known)}; deploy another with `pgflow deploy MODULE:flow`"
    else:
        mend = "no flow is deployed here yet: `pgflow deploy MODULE:flow`, or run it as MODULE:flow"
    return Problem(f"there is no flow {slug!r} in this database", mend=mend, kind="FlowNotFound")


def definition_of(flow: FlowVersion) -> dict[str, Any]:
    """Parse the stored definition."""
    definition: dict[str, Any] = json.loads(flow.definition)
    return definition
