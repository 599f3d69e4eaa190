"""Puts the TypeScript package among a project's functions: deployed with them, it needs no registry."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path
from typing import Final

__all__ = ["add_package", "has_package"]

_HERE: Final = Path(__file__).resolve().parent
_SOURCES: Final = (_HERE / "edge" / "package", _HERE.parents[1] / "typescript" / "src")
"""In an installed wheel, and in a checkout."""


def add_package(folder: Path) -> Path:
    """Write the package to `_shared/pgflow` of a folder of functions, over an older one; returns where."""
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder of functions")
    target = _target(folder)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(_source(), target)
    return target


def has_package(folder: Path) -> bool:
    """Tell whether the package of this release is among a folder of functions."""
    source, target = _source(), _target(folder)
    if not target.is_dir():
        return False
    names = sorted(path.name for path in source.iterdir())
    there = sorted(path.name for path in target.iterdir())
    return names == there and filecmp.cmpfiles(source, target, names, shallow=False)[0] == names


def _target(folder: Path) -> Path:
    return folder / "_shared" / "pgflow"


def _source() -> Path:
    return next(each for each in _SOURCES if each.is_dir())
