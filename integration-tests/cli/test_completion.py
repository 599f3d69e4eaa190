"""The Tab key: what a shell asks, and what it is answered."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pgflow import Client
from pgflow.embedded import EmbeddedServer

FLOWS = """
from pgflow import Node, flow, step

def work(n: int) -> int:
    return n

@flow
def shop(n: Node[int]) -> Node[int]:
    return step(work, n)
"""


@pytest.fixture
def shop(project, database):
    project.write("shop.py", FLOWS)
    project.pgflow("deploy", "shop:shop")
    return project


def completed(project, *words: str) -> list[str]:
    """Ask for the last word's completions, as bash does."""
    done = subprocess.run(
        [sys.executable, "-m", "pgflow.cli"],
        cwd=project.folder,
        env={
            **os.environ,
            "_PGFLOW_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["pgflow", *words]),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_commands_options_and_statuses_are_completed(project):
    assert completed(project, "re") == ["retry", "resume", "retention"]
    assert completed(project, "runs", "--st") == ["--status"]
    assert completed(project, "runs", "--status", "c") == ["completed", "cancelled"]


def test_flows_runs_steps_and_executors_are_completed_from_the_database(shop, database):
    with Client(database) as client:
        run_id = str(client.start_by_slug("shop", 1).run_id)
    assert completed(shop, "run", "sh") == ["shop"]
    assert completed(shop, "status", run_id[:4]) == [run_id]
    assert completed(shop, "cancel", "l") == ["latest"]
    assert completed(shop, "logs", run_id, "w") == ["work"]
    assert completed(shop, "pause", "--executor", "") == ["local"]


def test_what_cannot_be_asked_completes_nothing(project):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # takes the connection, and never answers
        dsn = f"postgresql://ada@127.0.0.1:{silent.getsockname()[1]}/app"
        assert completed(project, "run", "--dsn", dsn, "s") == []
    project.write("pgflow.toml", "flows = [\n")
    assert completed(project, "status", "0") == []


def test_completing_starts_no_server_but_asks_the_one_that_runs(project):
    assert completed(project, "status", "") == []
    assert not (project.folder / ".pgflow").exists()
    project.pgflow("migrate")
    with EmbeddedServer.ensure(project.folder / ".pgflow" / "postgres"):
        assert completed(project, "status", "") == ["latest"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_can_read(project, shell):
    script = project.pgflow("completion", shell).stdout
    assert "_PGFLOW_COMPLETE" in script
    assert project.json("completion", shell) == {"shell": shell, "script": script.removesuffix("\n")}
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n"], input=script, text=True, check=True)


def test_bash_that_sourced_the_script_completes(project):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    project.write("completion.bash", project.pgflow("completion", "bash").stdout)
    session = (
        "source completion.bash; complete -p pgflow >&2; COMP_WORDS=(pgflow re); COMP_CWORD=1; "
        "_pgflow_completion pgflow; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [bash, "--norc", "-c", session], cwd=project.folder, env={**os.environ, "PATH": path},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "_pgflow_completion pgflow" in done.stderr
    assert done.stdout.split() == ["retry", "resume", "retention"]
