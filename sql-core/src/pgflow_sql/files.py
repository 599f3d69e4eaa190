"""The SQL files: beside the package in a checkout, inside it in a wheel."""

import re
from pathlib import Path

_PACKAGE = Path(__file__).parent
_NAME = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.sql")


def sql_files(folder: str) -> list[tuple[int, str, Path]]:
    """Number, name and path of each file of `schema` or `migrations`, in order."""
    found: list[tuple[int, str, Path]] = []
    for path in sorted(_folder(folder).glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise ValueError(f"{path} is not named like 0100_what_it_does.sql")
        found.append((int(match["number"]), match["name"], path))
    return found


def read_sql(path: Path) -> str:
    """The text of a file, the same on every platform."""
    return path.read_bytes().decode("utf-8").replace("\r\n", "\n")


def _folder(name: str) -> Path:
    packaged = _PACKAGE / name
    return packaged if packaged.is_dir() else _PACKAGE.parent.parent / name
