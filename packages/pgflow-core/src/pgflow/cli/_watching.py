"""Notices changes of the project's Python files and configuration."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from watchfiles import Change, PythonFilter, watch

from pgflow.config import FILE_NAME

__all__ = ["changes"]

_LOOK_MILLISECONDS: Final = 200


class _ProjectFilter(PythonFilter):
    """Lets through Python files and pgflow.toml."""

    def __call__(self, change: Change, path: str) -> bool:
        return Path(path).name == FILE_NAME or super().__call__(change, path)


def changes(folders: list[Path], stop: threading.Event) -> Iterator[list[str]]:
    """Yield the names of changed files, and [] at once and now and then, until `stop` is set."""
    if not folders:
        yield []
        while not stop.wait(_LOOK_MILLISECONDS / 1000):
            yield []
        return
    for found in watch(
        *folders,
        watch_filter=_ProjectFilter(),
        stop_event=stop,
        rust_timeout=_LOOK_MILLISECONDS,
        yield_on_timeout=True,
        raise_interrupt=False,
    ):
        yield sorted({Path(path).name for _, path in found})
