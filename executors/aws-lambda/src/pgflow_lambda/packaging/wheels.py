"""What the function imports besides the project: wheels for where it runs, whatever this machine is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from pgflow_lambda.packaging.platforms import Platform

__all__ = ["InstallFailed", "install_wheels"]

_NEEDED: Final = ("pydantic", "urllib3")
"""What the task runtime imports; nothing of the dispatcher, the command line or a server goes along."""


class InstallFailed(Exception):
    """There is no pip, or it has no fitting wheels."""


def install_wheels(
    root: Path, platform: Platform, requirements: Sequence[Path], *, with_postgres: bool
) -> None:
    """Unpack wheels into a folder: those of the runtime in the versions at hand, and the project's own."""
    wanted = [f"{name}=={version(name)}" for name in _NEEDED]
    if with_postgres:
        wanted.append(f"psycopg[binary]=={version('psycopg')}")
    tags = [f"--platform={tag}" for tag in platform.tags()]
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={platform.python}", *tags]
    files = [f"--requirement={file.resolve()}" for file in requirements]
    quiet = ["--quiet", "--no-compile", "--disable-pip-version-check", "--no-input"]
    command = [*_pip(), "install", *quiet, *options, f"--target={root}", *wanted, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        what = f"{platform.runtime} on {platform.architecture}"
        raise InstallFailed(
            f"pip found no wheels for {what}:\n" + "\n".join(said or [done.stderr.strip()[-2000:]])
        )
    # Commands of the wheels, which name the Python of this machine.
    shutil.rmtree(root / "bin", ignore_errors=True)


def _pip() -> list[str]:
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip")
    if found is None:
        raise InstallFailed("there is no pip: `python -m ensurepip`, or install it into this environment")
    return [found]
