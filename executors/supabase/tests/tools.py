"""Deno, Node and TypeScript's compiler, as the tests of the package run them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from pgflow.embedded import BinariesMissing
from pgflow_supabase.serving import find_deno
from pgflow_testing.typescript import find_tsc

PACKAGE = Path(__file__).resolve().parents[1] / "typescript"
SECONDS = 240


def run(*command: object, cwd: Path = PACKAGE) -> str:
    """Run a program that must succeed, and return what it printed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def deno(*arguments: object, cwd: Path = PACKAGE) -> str:
    """Run Deno."""
    return run(find_deno(), *arguments, cwd=cwd)


def node(*arguments: object, cwd: Path = PACKAGE) -> str:
    """Run Node; skips the test where there is none."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("there is no Node.js on the PATH")
    return run(found, *arguments, cwd=cwd)


def tsc(*arguments: object, cwd: Path = PACKAGE) -> str:
    """Run the compiler, downloaded on first use; skips the test where npm cannot fetch it."""
    try:
        return node(find_tsc(), *arguments, cwd=cwd)
    except BinariesMissing as error:
        pytest.skip(str(error))


def npm(*arguments: object, cwd: Path) -> str:
    """Run npm, which asks no registry; skips the test where there is none."""
    found = shutil.which("npm")
    if found is None:
        pytest.skip("there is no npm on the PATH")
    return run(found, *arguments, "--offline", "--no-audit", "--no-fund", "--silent", cwd=cwd)
