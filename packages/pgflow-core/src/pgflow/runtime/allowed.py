"""Which handlers may run here: the operator's list decides, never a row in the database."""

from __future__ import annotations

import importlib.util
import sysconfig
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Final

from pgflow.errors import HandlerMissing
from pgflow.runtime.handlers import Handler, resolve

__all__ = ["allow_list", "find"]

_INSTALLED: Final = {"site-packages", "dist-packages"}


def allow_list(
    patterns: Sequence[str] | None, folders: Sequence[str], setting: str
) -> Callable[[str], str | None]:
    """Return a check that answers why a handler "module:function" may not run, or None.

    Without patterns, a handler must come from the project: its top-level module lies in one of `folders`,
    and not where distributions are installed.  `setting` says where the operator lists patterns.
    """
    if patterns is not None:
        return lambda handler: _unlisted(handler, patterns, setting)
    project = [Path(folder).resolve() for folder in folders]
    return lambda handler: _outside(handler, project, setting)


def find(reference: str, refusal: Callable[[str], str | None]) -> Handler:
    """Import the handler "module:function" if it may run here; raises HandlerMissing."""
    reason = refusal(reference)
    if reason is not None:
        raise HandlerMissing(f"handler {reference} may not run here: {reason}", handler=reference)
    return resolve(reference)


def _unlisted(handler: str, patterns: Sequence[str], setting: str) -> str | None:
    module = handler.partition(":")[0]
    for pattern in patterns:
        subject = handler if ":" in pattern else module
        if fnmatchcase(subject, pattern) or (pattern.endswith(".*") and module == pattern[:-2]):
            return None
    return f"it matches none of the patterns in {setting} ({', '.join(patterns) or 'empty'})"


def _outside(handler: str, project: Sequence[Path], setting: str) -> str | None:
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
    return f'{top} is not part of the project ({folders}); name it in {setting}, for example "{top}.*"'


def _inside(place: Path, folder: Path) -> bool:
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    installed = not _INSTALLED.isdisjoint(place.parts) or place.is_relative_to(standard)
    return place.is_relative_to(folder) and not installed


def _places(spec: ModuleSpec) -> list[Path]:
    if spec.submodule_search_locations is not None:
        return [Path(place).resolve() for place in spec.submodule_search_locations]
    return [Path(spec.origin).resolve()] if spec.has_location and spec.origin else []
