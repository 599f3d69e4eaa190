"""The Tab key: what a shell asks, and what it is answered."""

import os
import select
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pgflow import Client
from pgflow.embedded import EmbeddedServer

from .conftest import ONE_STEP

SECONDS = 60
AT_TERMINAL = "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])"


@pytest.fixture
def shop(project, database):
    project.write("shop.py", ONE_STEP)
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


@pytest.mark.slow
def test_flows_runs_steps_and_executors_are_completed_from_the_database(shop, database):
    with Client(database) as client:
        run_id = str(client.start_by_slug("shop", 1).run_id)
    assert completed(shop, "run", "sh") == ["shop"]
    assert completed(shop, "status", run_id[:4]) == [run_id]
    assert completed(shop, "cancel", "l") == ["latest"]
    assert completed(shop, "logs", run_id, "w") == ["work"]
    assert completed(shop, "pause", "--executor", "") == ["local"]


@pytest.mark.slow
def test_what_cannot_be_asked_completes_nothing(project):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # takes the connection, and never answers
        dsn = f"postgresql://ada@127.0.0.1:{silent.getsockname()[1]}/app"
        assert completed(project, "run", "--dsn", dsn, "s") == []
    project.write("pgflow.toml", "flows = [\n")
    assert completed(project, "status", "0") == []


@pytest.mark.slow
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


def program(shell: str) -> str:
    """Find a shell; skips where there is none."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    return found


def environment() -> dict[str, str]:
    """Have the shell find the command that is tested, and look the same everywhere."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "TERM": "dumb", "PS1": "$ "}


def typed(command: list[str], keys: str, until: str, folder: Path) -> str:
    """Type into a program on a terminal of its own until it has said something; return all that it said."""
    ours, theirs = os.openpty()
    shell = subprocess.Popen(
        [sys.executable, "-c", AT_TERMINAL, *command],
        cwd=folder, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, keys.encode())
    said, deadline = "", time.monotonic() + SECONDS
    try:
        while until not in said:
            assert time.monotonic() < deadline, f"never said {until!r}: {said}"
            if select.select([ours], [], [], 1)[0]:
                said += os.read(ours, 65_536).decode(errors="replace")
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)
    return said


@pytest.mark.parametrize(
    ("shell", "options", "before"),
    [
        ("bash", ["--norc", "--noprofile", "-i"], ""),
        ("zsh", ["-f", "-i"], "autoload -Uz compinit; compinit -D -u; "),
    ],
)
def test_the_tab_key_completes_in_a_shell_that_read_the_script(project, shell, options, before):
    command = [program(shell), *options]
    project.write("script", project.pgflow("completion", shell).stdout)
    keys = f"{before}source ./script\rpgflow --vers\t\rpgflow completion fi\t\r"
    said = typed(command, keys, "complete --no-files --command pgflow", project.folder)
    assert "pgflow, version " in said


@pytest.mark.slow
def test_fish_completes_with_what_each_is(project):
    fish = program("fish")
    project.write("script", project.pgflow("completion", "fish").stdout)
    asked = 'source ./script; complete -C "pgflow re"; complete -C "pgflow runs --status c"'
    done = subprocess.run(
        [fish, "--no-config", "-c", asked], cwd=project.folder, env=environment(),
        capture_output=True, text=True, timeout=SECONDS, check=True,
    )  # fmt: skip
    shown = dict(line.partition("\t")[::2] for line in done.stdout.splitlines())
    assert shown.keys() == {"retry", "resume", "retention", "completed", "cancelled"}
    assert shown["resume"].startswith("End the pause of a run")
