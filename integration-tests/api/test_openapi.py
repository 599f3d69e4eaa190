"""The OpenAPI document says what the service does, and the service does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pgflow.api.problems import STATUS_BY_CODE

REFERENCE = Path(__file__).parents[2] / "docs/reference/http-api.md"


def test_every_status_is_documented(api):
    document = api.http.get("/openapi.json").json()
    answers = [set(path["post"]["responses"]) for path in document["paths"].values()]
    assert {str(status) for status in STATUS_BY_CODE.values()} | {"200"} == set().union(*answers)
    assert all(each >= {"200", "401", "408", "413", "422", "503"} for each in answers)


def test_every_code_is_in_the_reference_with_its_status():
    rows = [line.split("|") for line in REFERENCE.read_text(encoding="utf-8").splitlines()]
    told = {
        code: int(row[1])
        for row in rows
        if row[1:2] and row[1].strip().isdecimal()
        for code in re.findall(r"`(\w+)`", row[2])
    }
    assert told == STATUS_BY_CODE


@pytest.mark.parametrize(
    "verbs",
    [
        "complete",
        pytest.param("start|heartbeat|fail|release", marks=pytest.mark.slow),
        pytest.param("claim", marks=pytest.mark.slow),
    ],
)
def test_no_made_up_request_breaks_the_contract(api, held, key, tmp_path, verbs):
    (task,) = held(mode="start")
    bearer = key if verbs == "claim" else task.token
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "run"),
            f"http://127.0.0.1:{api.port}/openapi.json",
            *("--header", f"Authorization: Bearer {bearer}"),
            *("--include-path-regex", f"^/v1/tasks/({verbs})$"),
            *("--max-examples", "20", "--generation-deterministic", "--suppress-health-check", "all"),
            # A NUL fits any schema and is refused: test_one_bad_report_does_not_fail_its_neighbours.
            *("--generation-allow-x00", "false"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1", "NO_COLOR": "1"},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
