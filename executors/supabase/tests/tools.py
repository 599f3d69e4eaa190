"""Deno, Node and TypeScript's compiler, as the tests of the package run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from pgflow.embedded import BinariesMissing
from pgflow_supabase.serving import find_deno
from pgflow_testing.binaries import cache_folder, npm_pack

PACKAGE = Path(__file__).resolve().parents[1] / "typescript"
SECONDS = 240
TYPESCRIPT = "5.9.3"


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
        return node(_typescript() / "bin" / "tsc", *arguments, cwd=cwd)
    except BinariesMissing as error:
        pytest.skip(str(error))


def _typescript() -> Path:
    folder = cache_folder("typescript") / TYPESCRIPT
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
            npm_pack(f"typescript@{TYPESCRIPT}", Path(draft))
            (archive,) = Path(draft).glob("*.tgz")
            with tarfile.open(archive) as packed:
                packed.extractall(draft, filter="data")
            try:
                Path(draft, "package").rename(folder)
            except OSError:  # another process was quicker
                if not folder.is_dir():
                    raise
    return folder
