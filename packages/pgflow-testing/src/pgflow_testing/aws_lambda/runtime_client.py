"""Where the runtime client lies apart from all else that is installed, as at AWS."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from importlib.metadata import files
from pathlib import Path
from typing import Final

__all__ = ["only_the_client"]

_DISTRIBUTIONS: Final = ("awslambdaric", "simplejson", "snapshot-restore-py")


@functools.cache
def only_the_client() -> Path:
    """Return a folder with links to the client and what it imports; it lives as long as this process."""
    folder = Path(tempfile.mkdtemp(prefix="pgflow-lambda-client-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for distribution in _DISTRIBUTIONS:
        for file in files(distribution) or ():
            top = file.parts[0]
            if top not in {"..", "/"} and not (folder / top).exists():
                (folder / top).symlink_to(Path(str(file.locate())).parents[len(file.parts) - 1] / top)
    return folder
