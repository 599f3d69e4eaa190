"""The Dockerfile of `run-in-production.md`, step by step in empty folders, and its command as a process."""

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import tomllib

import pytest
import yaml

from .snippets import environment
from .test_operations import PAGE, file, texts
from .test_packaging import run, wheels

__all__ = ["wheels"]

SECONDS = 60
FLOWS = """
from pgflow import Node, flow, step

def double(n: int) -> int:
    return 2 * n

@flow
def digest(n: Node[int]) -> Node[int]:
    return step(double, n)
"""


class Image:
    """Carries out the instructions of a Dockerfile."""

    def __init__(self, context, root):
        self.context = context
        self.workdir = self.root = root
        run(sys.executable, "-m", "venv", "--without-pip", root / "python")
        python = root / "python/bin/python"
        pip = root / "python/bin/pip"
        pip.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pip --python "{python}" "$@"\n')
        pip.chmod(0o755)
        self.environment = {
            **environment(root),
            "PATH": f"{python.parent}{os.pathsep}{os.defpath}",
            "HOME": os.environ["HOME"],  # where pip is told of its index
        }
        self.environment.pop("PYTHONPATH", None)
        self.environment["PIP_NO_COMPILE"] = "1"  # most of what is installed is never imported
        self.command = []

    def build(self, text):
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        for name, _, argument in (line.partition(" ") for line in lines):
            getattr(self, f"_{name.lower()}")(argument)

    def _from(self, image):
        assert image.startswith("python:3.")

    def _workdir(self, path):
        self.workdir = self.root / path.lstrip("/")
        self.workdir.mkdir(parents=True)

    def _copy(self, names):
        source, target = names.split()
        if (self.context / source).is_dir():
            shutil.copytree(self.context / source, self.workdir / target)
        else:
            shutil.copy(self.context / source, self.workdir / target)

    def _run(self, command):
        self.run("sh", "-c", command)

    def _user(self, name):
        assert name != "root"

    def _expose(self, port):
        assert file("pgflow.toml").count(f':{port}"') == 1

    def _cmd(self, command):
        self.command = json.loads(command)

    def run(self, *command, **more):
        return run(*command, cwd=self.workdir, env={**self.environment, **more})


@pytest.fixture
def image(tmp_path, wheels):
    context = tmp_path / "context"
    (context / "src/shop").mkdir(parents=True)
    (context / "src/shop/flows.py").write_text(FLOWS)
    (context / "pgflow.toml").write_text(file("pgflow.toml"))
    # What was built here stands for what the index would have.
    built = wheels.read_text().replace("pgflow-core @", "pgflow-core[http] @")
    wanted = [line for line in file("requirements.txt").splitlines() if not line.startswith("#")]
    assert all(f"{name} @" in built for name in wanted)
    (context / "requirements.txt").write_text(built)
    image = Image(context, tmp_path / "image")
    (text,) = texts("dockerfile")
    return build_or_skip(image, text)


def build_or_skip(image, text):
    try:
        image.build(text)
    except AssertionError as error:
        try:
            image.run("pip", "download", "--quiet", "--no-deps", "--dest", image.root / "probe", "click")
        except AssertionError:
            pytest.skip("the package index cannot be reached, and the dependencies come from there")
        raise error
    return image


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.slow
def test_the_image_releases_serves_answers_and_stops(image, pgflow_empty_database):
    services = yaml.safe_load(file("compose.yaml"))["services"]
    port = tomllib.loads(file("pgflow.toml"))["dispatcher"]["http"].rpartition(":")[2]
    mine = str(free_port())
    settings = {"PGFLOW_DSN": pgflow_empty_database, "PGFLOW_DISPATCHER__HTTP": f"127.0.0.1:{mine}"}
    image.run(*shlex.split(services["release"]["command"]), **settings)
    dispatcher = subprocess.Popen(
        image.command, cwd=image.workdir, env={**image.environment, **settings}, stderr=subprocess.DEVNULL,
        executable=str(image.root / "python/bin" / image.command[0]),
    )  # fmt: skip
    try:
        asked = services["dispatcher"]["healthcheck"]["test"]
        assert asked[0] == "CMD"
        health = [part.replace(port, mine) for part in asked[1:]]
        deadline = time.monotonic() + SECONDS
        while subprocess.run(health, env=image.environment, capture_output=True, check=False).returncode:
            assert dispatcher.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        printed = image.run("pgflow", "run", "digest", "--input", "21", "--wait", "--json", **settings)
        assert json.loads(printed)["result"] == 42
        dispatcher.terminate()
        assert dispatcher.wait(SECONDS) == 0
    finally:
        dispatcher.kill()
        dispatcher.wait(SECONDS)


@pytest.mark.slow
def test_the_image_of_tasks_has_the_flows_and_the_runtime(tmp_path, wheels):
    page = PAGE.with_name("task-images.md")
    context = tmp_path / "context"
    (context / "flows").mkdir(parents=True)
    (context / "flows/text.py").write_text(file("flows/text.py", page))
    (context / "pgflow.toml").write_text(file("pgflow.toml", page))
    (context / "requirements.txt").write_text(file("requirements.txt", page))
    image = Image(context, tmp_path / "image")
    image.environment["PIP_CONSTRAINT"] = str(wheels)  # what was built here stands for what the index has
    build_or_skip(image, texts("dockerfile", page)[0])
    image.run("python", "-c", "import flows.text")
    executors = json.loads(image.run("pgflow", "plugins", "--json"))["executors"]
    assert [each["name"] for each in executors] == ["kubernetes"]
    with pytest.raises(AssertionError, match="the envelope cannot be read"):
        image.run(*image.command)
