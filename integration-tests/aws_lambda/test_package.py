"""`pgflow lambda package`: its zip runs under AWS's runtime client with nothing else to import."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest
from pgflow.envelope import ReportTarget

pytestmark = pytest.mark.slow

FLOWS = """
from pgflow import Node, flow, step
from pgflow_lambda import Lambda

def total(run: list[int]) -> int:
    return sum(run)

@flow(runs_on=Lambda("shop"))
def bill(prices: Node[list[int]]) -> Node[int]:
    return step(total, prices)
"""


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    (folder / "shop").mkdir(parents=True)
    (folder / "shop/__init__.py").touch()
    (folder / "shop/flows.py").write_text(FLOWS)
    return folder


def packaged(project, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pgflow.cli", "lambda", "package", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=600, check=False)


def test_the_zip_runs_tasks_alone(project, deeds, lambdas, pgflow_database, tmp_path):
    done = packaged(project, "shop.flows", "--postgres", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    zipped = project / "function.zip"
    assert told["zipped_bytes"] == zipped.stat().st_size < 15 * 2**20
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(tmp_path / "unpacked")
    function = lambdas(
        handler=told["handler"],
        folder=tmp_path / "unpacked",
        isolated=True,
        environment={"PGFLOW_DSN": pgflow_database},
    )
    for report in (None, ReportTarget("postgres")):
        envelope = deeds("total", module="shop.flows", run=[1, 2, 39])
        sent = envelope if report is None else replace(envelope, report=report)
        assert function.ask(sent.to_json())["Payload"] == {
            "v": 1,
            "kind": "completed",
            "reason": "the engine answers 'completed'",
        }
        assert deeds.task(envelope).output == 42


def test_another_python_and_another_processor(project):
    done = packaged(project, "shop.flows", "--arch", "arm64", "--python", "3.13", "-o", "arm.zip")
    assert done.returncode == 0, done.stderr
    assert "runtime python3.13, architecture arm64" in done.stdout
    with zipfile.ZipFile(project / "arm.zip") as archive:
        libraries = [name for name in archive.namelist() if name.endswith(".so")]
    assert libraries
    assert all("cpython-313-aarch64" in name for name in libraries)


def test_a_requirement_without_a_fitting_wheel_is_named(project):
    (project / "requirements.txt").write_text("pgflow-no-such-distribution==1.0\n")
    done = packaged(project, "shop.flows", "-r", "requirements.txt")
    assert done.returncode == 1
    assert "pgflow-no-such-distribution" in done.stderr
    assert not (project / "function.zip").exists()


def test_a_module_that_is_not_there_is_wrong_use(project):
    done = packaged(project, "shop.none")
    assert done.returncode == 2
    assert "module shop.none is not in" in done.stderr
