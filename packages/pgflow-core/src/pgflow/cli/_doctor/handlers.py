"""Whether the handlers of deployed flows can be imported here: tried in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

from psycopg import Connection

from pgflow.cli._doctor.findings import Finding
from pgflow.config import Config
from pgflow.database.execute import fetch
from pgflow.database.statements.definitions import list_flows
from pgflow.errors import DatabaseError

__all__ = ["handlers"]

_IMPORT_SECONDS: Final = 60
_IMPORTER: Final = """
import json, os, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what the modules print is not an answer
from pgflow.errors import HandlerMissing
from pgflow.runtime.handlers import resolve
for reference in json.load(sys.stdin):
    try:
        resolve(reference)
    except HandlerMissing as error:
        print(json.dumps([reference, str(error)]), file=answers, flush=True)
"""


def handlers(connection: Connection[Any], config: Config) -> Iterator[Finding]:
    """A handler of a deployed flow cannot be imported in this folder."""
    needed: dict[str, str] = {}
    local = {name for name, table in config.settings.executors.items() if table.use == "local"}
    for flow in fetch(connection, list_flows()):
        for step in json.loads(flow.definition)["steps"]:
            if step.get("handler") and step.get("executor", "local") in local:
                needed.setdefault(step["handler"], flow.flow_slug)
    for reference, problem in _import(sorted(needed), config):
        found = f"flow {needed[reference]} needs it, and it cannot be imported here: {problem}"
        mend = "run workers where the code is, or add its folder to pythonpath in pgflow.toml"
        yield Finding("handlers", "warning", reference, found, mend)


def _import(references: list[str], config: Config) -> list[tuple[str, str]]:
    if not references:
        return []
    path = os.pathsep.join([*map(str, config.pythonpath), os.environ.get("PYTHONPATH", "")])
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _IMPORTER],
            input=json.dumps(references),
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=_IMPORT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DatabaseError(f"importing the handlers took longer than {_IMPORT_SECONDS} s") from None
    if done.returncode != 0:
        raise DatabaseError(f"importing the handlers ended the process: {done.stderr.strip()[-500:]}")
    return [(reference, problem) for reference, problem in map(json.loads, done.stdout.splitlines())]
