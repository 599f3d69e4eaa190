"""A folder as a zip whose bytes depend on its files alone, and within what Lambda takes."""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["MB", "Archive", "TooLarge", "write_archive"]

MB: Final = 2**20
_ZIPPED: Final = 50 * MB
_UNZIPPED: Final = 250 * MB
_SHOWN: Final = 5
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)
_LEVEL: Final = 9
#: What tools leave behind, and what names this machine's paths.
_LEFT_OUT: Final = re.compile(
    r".*__pycache__/|.*\.py[co]$|[^/]+\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json)$"
)


class TooLarge(Exception):
    """Lambda would not take it."""


@dataclass(frozen=True, slots=True)
class Archive:
    """What was written."""

    path: Path
    zipped: int
    """Bytes."""
    unzipped: int
    files: int


def write_archive(
    root: Path, target: Path, *, zipped_limit: int = _ZIPPED, unzipped_limit: int = _UNZIPPED
) -> Archive:
    """Write the files below `root` to `target`; raises TooLarge, with what is biggest, and writes nothing."""
    sizes = {name: (root / name).stat().st_size for name in _names(root)}
    unzipped = sum(sizes.values())
    if unzipped > unzipped_limit:
        raise TooLarge(_told("unpacked", unzipped, unzipped_limit, sizes))
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as stream, zipfile.ZipFile(stream, "w") as archive:
            packed = {name: _add(archive, root, name) for name in sizes}
        zipped = Path(scratch).stat().st_size
        if zipped > zipped_limit:
            raise TooLarge(_told("as a zip", zipped, zipped_limit, packed))
        Path(scratch).chmod(0o644)
        Path(scratch).replace(target)
    finally:
        Path(scratch).unlink(missing_ok=True)
    return Archive(target, zipped, unzipped, len(sizes))


def _names(root: Path) -> list[str]:
    found = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return sorted(name for name in found if not _LEFT_OUT.match(name))


def _add(archive: zipfile.ZipFile, root: Path, name: str) -> int:
    entry = zipfile.ZipInfo(name, _MOMENT)
    entry.create_system = 3
    entry.external_attr = (0o755 if name.endswith(".so") or os.access(root / name, os.X_OK) else 0o644) << 16
    archive.writestr(entry, (root / name).read_bytes(), zipfile.ZIP_DEFLATED, _LEVEL)
    return entry.compress_size


def _told(how: str, size: int, limit: int, sizes: Mapping[str, int]) -> str:
    return (
        f"the function has {size / MB:.1f} MB {how}, and Lambda takes {limit / MB:.0f}: leave out what it "
        f"does not import. The biggest are {_biggest(sizes.items())}"
    )


def _biggest(sizes: Iterable[tuple[str, int]]) -> str:
    total: Counter[str] = Counter()
    for name, size in sizes:
        total[name.partition("/")[0]] += size
    return ", ".join(f"{name} ({size / MB:.1f} MB)" for name, size in total.most_common(_SHOWN))
