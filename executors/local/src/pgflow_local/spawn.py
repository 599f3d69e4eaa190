"""How a worker process is started: its environment, its command line and the files it is given."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from pgflow_local.settings import LocalSettings

__all__ = ["command", "environment", "matching"]

HARMLESS: Final = (
    "HOME",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "LD_LIBRARY_PATH",
    "LOGNAME",
    "PATH",
    "PYTHONHASHSEED",
    "PYTHONPATH",
    "PYTHONTZPATH",
    "PYTHONUTF8",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TEMP",
    "TMP",
    "TMPDIR",
    "TZ",
    "USER",
    "VIRTUAL_ENV",
)
"""Variables that say where and how to run and hold no secret; user code sees these and no others."""


def environment(parent: Mapping[str, str], also: Sequence[str]) -> dict[str, str]:
    """Return the variables of `parent` that are harmless or match a name or pattern in `also`."""
    return matching(parent, (*HARMLESS, *also))


def matching(parent: Mapping[str, str], patterns: Sequence[str]) -> dict[str, str]:
    """Return the variables whose names match one of the patterns."""
    return {
        name: value
        for name, value in parent.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    }


def command(
    executor: str, settings: LocalSettings, pythonpath: Sequence[Path], files: tuple[int, int, int, int]
) -> list[str]:
    """Return the command line; `files` are the worker's socket, bell, slots and tripwire."""
    config = {
        "files": files,
        "concurrency": settings.concurrency_per_process,
        "log_bytes": settings.captured_bytes,
        "log_format": settings.log_format,
        "executor": executor,
        "handlers": settings.handlers,
        "preload": settings.preload,
        "pythonpath": [os.fspath(path) for path in pythonpath],
    }
    python = os.fspath(settings.python or sys.executable)
    return [python, "-P", "-m", "pgflow_local.worker", json.dumps(config)]
