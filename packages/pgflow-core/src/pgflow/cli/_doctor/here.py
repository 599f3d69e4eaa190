"""Checks of this machine and this project: they need no database."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import distributions
from typing import Final

from pgflow.cli._doctor.executors import executors
from pgflow.cli._doctor.findings import Finding
from pgflow.config import Config, Embedded
from pgflow.plugins import load_plugins

__all__ = ["CHECKS"]

_OLDEST_PYTHON: Final = (3, 11)


def python(_config: Config) -> Iterator[Finding]:
    """Python is too old, or PGFlow's packages are of different releases."""
    if sys.version_info < _OLDEST_PYTHON:
        found = (
            f"this is Python {sys.version_info.major}.{sys.version_info.minor}, PGFlow needs 3.11 or newer"
        )
        yield Finding("python", "error", sys.executable, found, "make the environment with a newer Python")
    releases: dict[str, str] = {}
    for distribution in distributions():
        name = str(distribution.metadata["Name"])
        if name.startswith("pgflow-"):
            releases.setdefault(name, distribution.version)  # the first on the path is the one in use
    if len(set(releases.values())) > 1:
        listed = ", ".join(f"{name} {version}" for name, version in sorted(releases.items()))
        mend = f"pip install --upgrade {' '.join(sorted(releases))}"
        yield Finding("python", "warning", "releases", f"the packages do not belong together: {listed}", mend)


def plugins(_config: Config) -> Iterator[Finding]:
    """A plugin of an installed package is broken."""
    for problem in load_plugins().problems:
        subject = f"{problem.name} of {problem.distribution}"
        yield Finding("plugins", "error", subject, problem.error, problem.mend)


def embedded(config: Config) -> Iterator[Finding]:
    """The project lives in the embedded PostgreSQL, which is for development."""
    choice = config.database()
    if isinstance(choice, Embedded) and not choice.data_dir.exists():
        found = "no DSN is given and no embedded PostgreSQL has been started here"
        mend = "`pgflow dev` or `pgflow run` starts one; give a DSN to use another server"
        yield Finding("embedded", "note", str(choice.data_dir), found, mend)


#: Name -> check, in the order they run.
CHECKS: Final[Mapping[str, Callable[[Config], Iterator[Finding]]]] = {
    "python": python,
    "plugins": plugins,
    "executors": executors,
    "embedded": embedded,
}
