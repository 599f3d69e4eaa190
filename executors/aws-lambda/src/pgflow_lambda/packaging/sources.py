"""What goes into the zip as it lies here: the project's modules, and PGFlow's own."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

__all__ = ["SourceMissing", "copy_sources", "find_sources"]

_OURS: Final = ("pgflow", "pgflow_lambda", "pgflow_sql")
"""Flows say `runs_on=Lambda(...)`; who reports to the database checks the version of its schema."""
_LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "*.py[co]", ".*")


class SourceMissing(Exception):
    """A module or file that is to go along is not there."""


def find_sources(modules: Sequence[str], folders: Sequence[Path], include: Sequence[Path]) -> Sequence[Path]:
    """Return PGFlow, the top-level packages of `modules`, and what is included besides."""
    for path in include:
        if not path.exists():
            raise SourceMissing(f"{path} is not there")
    return [
        *(_installed(name) for name in _OURS),
        *(_top_of(module, folders) for module in modules),
        *(path.resolve() for path in include),
    ]


def copy_sources(root: Path, sources: Iterable[Path]) -> None:
    """Copy each file or folder into `root`."""
    for source in sources:
        target = root / source.name
        if source.is_dir():
            shutil.copytree(source, target, ignore=_LEFT_OUT, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)  # a program stays one


def _installed(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _top_of(module: str, folders: Sequence[Path]) -> Path:
    """Return the file or the folder of a module's top-level package; nothing is imported."""
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        raise SourceMissing(f"{module!r} is no name of a module, such as shop.flows")
    for folder in folders:
        place = folder.joinpath(*parts)
        if place.with_suffix(".py").is_file() or (place / "__init__.py").is_file():
            top = folder / parts[0]
            return top if top.is_dir() else top.with_suffix(".py")
    looked = ", ".join(map(str, folders))
    raise SourceMissing(f"module {module} is not in {looked}: see `pythonpath` in pgflow.toml")
