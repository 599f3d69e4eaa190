"""TypeScript's own compiler, for tests: fetched from npm once, into the user's cache."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path
from typing import Final

from pgflow_testing.binaries import cache_folder, npm_pack

__all__ = ["find_tsc"]

_RELEASE: Final = "5.9.3"


def find_tsc() -> Path:
    """Return the script that Node runs, downloaded on first use.

    Raises BinariesMissing where npm cannot fetch it.
    """
    folder = cache_folder("typescript") / _RELEASE
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
            npm_pack(f"typescript@{_RELEASE}", Path(draft))
            (archive,) = Path(draft).glob("*.tgz")
            with tarfile.open(archive) as packed:
                packed.extractall(draft, filter="data")
            try:
                Path(draft, "package").rename(folder)
            except OSError:  # another process was quicker
                if not folder.is_dir():
                    raise
    return folder / "bin" / "tsc"
