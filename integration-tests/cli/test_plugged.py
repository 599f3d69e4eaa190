"""Commands that other distributions add to `pgflow`: real distributions on a real import path."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

COMMAND = '''
import click
from pgflow.cli.kit import CommandGroup, Problem, pgflow_command
from pgflow.errors import ConfigError

@click.group("gpu", cls=CommandGroup, epilog="pgflow gpu warm")
def command():
    """Look after the GPUs."""

@pgflow_command("warm", example="pgflow gpu warm 3", database=False)
@click.argument("count", type=int)
def warm(session, count):
    """Warm some GPUs up."""
    if count > 8:
        raise Problem("there are 8", mend="ask for fewer")
    if count < 0:
        raise ConfigError("count is negative")
    session.output.document({"warm": count})

command.add_command(warm)
'''
OF_OURS = 'raise RuntimeError("a plugin took the place of a command of ours")'


@pytest.fixture
def pgflow(tmp_path):
    """Run `pgflow ...` beside distributions that add commands: `pgflow.install(...)`."""

    class Line:
        def install(self, distribution, commands, source):
            module = distribution.replace("-", "_")
            (tmp_path / f"{module}.py").write_text(source)
            info = tmp_path / f"{module}-1.2.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
            lines = [f"{name} = {module}:command" for name in commands]
            (info / "entry_points.txt").write_text("\n".join(["[pgflow.commands]", *lines, ""]))

        def __call__(self, *words):
            path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
            return subprocess.run(
                [sys.executable, "-m", "pgflow.cli", *words],
                env={**os.environ, "PYTHONPATH": path, "COLUMNS": "100", "NO_COLOR": "1"},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )

    return Line()


def test_a_command_of_a_plugin_is_one_of_pgflow(pgflow):
    pgflow.install("dist-gpu", ["gpu"], COMMAND)
    pgflow.install("dist-poison", ["poison", "run"], OF_OURS)
    shown = pgflow("--help").stdout
    assert "  gpu         Of dist-gpu; `pgflow gpu --help` says more.\n" in shown
    assert "  run         Start a run, and follow it to its end.\n" in shown
    assert "Example:\n  pgflow gpu warm 3\n" in pgflow("gpu", "warm", "--help").stdout
    done = pgflow("gpu", "warm", "3", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"warm": 3})
    assert pgflow("run", "--help").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["gqu"], 2, "did you mean `gpu`?"),
        (["gpu", "warn"], 2, "did you mean `warm`?"),
        (["gpu", "warm", "9"], 2, "error: there are 8\n mend: ask for fewer\n"),
        (["gpu", "warm", "--", "-1"], 2, "error: count is negative\n"),
        (["gpu", "warm", "many"], 2, "mend: `pgflow gpu warm --help` shows its options"),
    ],
)
def test_it_answers_as_the_others_do(pgflow, words, code, said):
    pgflow.install("dist-gpu", ["gpu"], COMMAND)
    done = pgflow(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "import no_such_module",
            "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        ("command = 3", "is no command: dist_bad:command is 3"),
    ],
)
def test_a_broken_one_stops_no_other(pgflow, source, said):
    pgflow.install("dist-gpu", ["gpu"], COMMAND)
    pgflow.install("dist-bad", ["bad"], source)
    assert "  bad         Of dist-bad" in pgflow("--help").stdout
    assert pgflow("gpu", "warm", "1").returncode == 0
    done = pgflow("bad")
    said = f"the command `bad` of dist-bad {said}"
    assert (done.returncode, done.stderr) == (1, f"error: {said}\n mend: upgrade or reinstall dist-bad\n")
    listed = pgflow("plugins", "--json")
    assert listed.returncode == 1
    document = json.loads(listed.stdout)
    assert {"name": "gpu", "distribution": "dist-gpu", "function": "dist_gpu:command"} in document["commands"]
    assert [problem["error"] for problem in document["problems"]] == [said]
