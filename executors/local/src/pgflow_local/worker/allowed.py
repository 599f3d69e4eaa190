"""Which handlers may run here: the operator's list decides, never a row in the database."""

from __future__ import annotations

import importlib.util
import sysconfig
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Final

__all__ = ["allow_list"]

_INSTALLED: Final = {"site-packages", "dist-packages"}


def allow_list(patterns: Sequence[str] | None, folders: Sequence[str]) -> Callable[[str], str | None]:
    """Return a check that answers why a handler "module:function" may not run, or None.

    Without patterns, a handler must come from the project: its top-level module lies in one of `folders`,
    and not where distributions are installed.
    """
    if patterns is not None:
        return lambda handler: _unlisted(handler, patterns)
    project = [Path(folder).resolve() for folder in folders]
    return lambda handler: _outside(handler, project)


def _unlisted(handler: str, patterns: Sequence[str]) -> str | None:
    module = handler.partition(":")[0]
    for pattern in patterns:
        subject = handler if ":" in pattern else module
        if fnmatchcase(subject, pattern) or (pattern.endswith(".*") and module == pattern[:-2]):
            return None
    return f"it matches none of the patterns in the setting `handlers` ({', '.join(patterns) or 'empty'})"


def _outside(handler: str, project: Sequence[Path]) -> str | None:
    top = handler.partition(":")[0].partition(".")[0]
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return None  # it cannot be imported, and the import says so better
    if any(_inside(place, folder) for place in _places(spec) for folder in project):
        return None
    folders = ", ".join(map(str, project))
    return (
        f"{top} is not part of the project ({folders}); "
        f'name it in the setting `handlers`, for example handlers = ["{top}.*"]'
    )


def _inside(place: Path, folder: Path) -> bool:
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    installed = not _INSTALLED.isdisjoint(place.parts) or place.is_relative_to(standard)
    return place.is_relative_to(folder) and not installed


def _places(spec: ModuleSpec) -> list[Path]:
    if spec.submodule_search_locations is not None:
        return [Path(place).resolve() for place in spec.submodule_search_locations]
    return [Path(spec.origin).resolve()] if spec.has_location and spec.origin else []
