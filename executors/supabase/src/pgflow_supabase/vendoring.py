"""Puts the TypeScript package among a project's functions: deployed with them, it needs no registry."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

__all__ = ["add_package"]

_HERE: Final = Path(__file__).resolve().parent
_SOURCES: Final = (_HERE / "edge" / "package", _HERE.parents[1] / "typescript" / "src")
"""In an installed wheel, and in a checkout."""


def add_package(folder: Path) -> Path:
    """Write the package to `_shared/pgflow` of a folder of functions, over an older one; returns where."""
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder of functions")
    source = next(each for each in _SOURCES if each.is_dir())
    target = folder / "_shared" / "pgflow"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target
