"""mypy --strict and pyright accept what is right and reject exactly the lines marked ``# E``."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
FILES = sorted(HERE.glob("right_*.py")) + sorted(HERE.glob("wrong_*.py"))
SECONDS = 300

pytestmark = pytest.mark.xdist_group("typing")  # so that each tool runs once


def expected(path):
    return {n for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if "  # E " in line}


def read_mypy(output):
    lines = re.findall(r"^(\S+?):(\d+): error: (.*)$", output, re.MULTILINE)
    return [(Path(path).name, int(line), text) for path, line, text in lines]


def read_pyright(output):
    return [
        (Path(found["file"]).name, found["range"]["start"]["line"] + 1, found["message"])
        for found in json.loads(output)["generalDiagnostics"]
        if found["severity"] == "error"
    ]


@pytest.fixture(scope="module")
def reports():
    """Run both tools at the same time, each once over all files."""
    python, names = sys.executable, [str(path) for path in FILES]
    commands = {
        "mypy": [python, "-m", "mypy", "--strict", "--cache-dir=.mypy_cache/typing-tests", *names],
        "pyright": [python, "-m", "pyright", "--pythonpath", python, "--outputjson", *names],
    }
    running = {
        tool: subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for tool, command in commands.items()
    }
    read = {"mypy": read_mypy, "pyright": read_pyright}
    found = {}
    for tool, process in running.items():
        output, problems = process.communicate(timeout=SECONDS)
        assert process.returncode == 1, f"{tool}: {output}{problems}"
        found[tool] = read[tool](output)
    return found


@pytest.mark.parametrize("tool", ["mypy", "pyright"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_exactly_the_marked_lines_are_rejected(tool, path, reports):
    found = [(line, text) for name, line, text in reports[tool] if name == path.name]
    lines = {line for line, _ in found}
    unexpected = [f"{line}: {text}" for line, text in found if line not in expected(path)]
    assert unexpected == []
    assert expected(path) - lines == set(), "accepted though wrong"


@pytest.mark.parametrize("tool", ["mypy", "pyright"])
def test_nothing_else_is_rejected(tool, reports):
    assert {name for name, _, _ in reports[tool]} == {path.name for path in FILES if expected(path)}


def test_marks_are_in_wrong_files_only():
    assert {path.stem.partition("_")[0] for path in FILES if expected(path)} == {"wrong"}
    assert sum(len(expected(path)) for path in FILES) > 60
