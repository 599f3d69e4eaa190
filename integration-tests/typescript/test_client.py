"""`createClient` through a real PostgREST, as users who are signed in, under Deno and Node."""

from __future__ import annotations

import json
import time
import uuid
from datetime import datetime

import pytest
from pgflow_testing.postgrest import token_for

pytestmark = pytest.mark.slow


def test_a_user_starts_and_follows_runs_and_no_other_user_sees_them(
    program, postgrest, worker, pgflow_connection
):
    worker()
    for flow in ("letters", "holding"):
        pgflow_connection.execute("select pgflow.open_flow(%s)", [flow])
    asked = program(
        "client",
        PGFLOW_URL=postgrest.url,
        ADA=token_for("pgflow_user", sub="ada"),
        EVE=token_for("pgflow_user", sub="eve"),
        NOBODY=token_for("pgflow_user", sub="nobody", exp=int(time.time()) - 3600),
    )
    assert asked.wait() == 0, asked.lines
    told = [json.loads(line) for line in asked.lines]
    said = {name: [value for each, value in told if each == name] for name in dict(told)}

    (started,) = said["started"]
    assert (started["created"], started["flowVersion"]) == (True, 1)
    assert uuid.UUID(started["runId"])
    assert said["progress"][-1] == ["completed", ["completed"] * 3]
    assert [status for status, _ in said["progress"][:-1]] == ["running"] * (len(said["progress"]) - 1)

    (run,) = said["run"]
    assert (run["flow"], run["status"], run["owner"]) == ("letters", "completed", "ada")
    assert (run["input"], run["output"]) == ({"text": "one three"}, {"total": 16})
    assert run["tags"] == {"of": "tests"}
    assert [step["output"] for step in run["steps"]] == [["one", "three"], [6, 10], 16]
    assert [step["step"] for step in run["steps"]] == ["split", "measure", "total"]
    assert run["steps"][1]["tasks"]["completed"] == 2
    created, finished = (datetime.fromisoformat(run[name]) for name in ("createdAt", "finishedAt"))
    (took,) = said["took"]
    assert abs((finished - created).total_seconds() * 1000 - took) < 1

    assert said["refused"] == ["PF003", "PGRST301", "PF002", "PF002", "PF003"]
    assert said["same"] == [True] * 6
    assert said["held"] == ["running"]
    assert said["aborted"] == [True]
