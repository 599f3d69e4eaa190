"""Writes migrations as the Supabase CLI names them, each of them once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Final

__all__ = ["Part", "Writing", "integration_parts", "write_migrations"]

_STAMP: Final = "%Y%m%d%H%M%S"
_NAME: Final = re.compile(r"(?P<stamp>\d{14})_(?P<name>.+)\.sql")
_INTEGRATION: Final = re.compile(r"\d{4}_\w+\.sql")


@dataclass(frozen=True, slots=True)
class Part:
    """A migration by the name it has after its time stamp."""

    name: str
    sql: str


@dataclass(slots=True)
class Writing:
    """What became of the files of a project."""

    written: list[Path] = field(default_factory=list[Path])
    unchanged: list[Path] = field(default_factory=list[Path])
    kept: list[Path] = field(default_factory=list[Path])
    """There already, with other content than this release would write."""

    def write(self, path: Path, text: str) -> None:
        """Write a file unless there is one."""
        if path.exists():
            same = path.read_text(encoding="utf-8") == text
            (self.unchanged if same else self.kept).append(path)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        self.written.append(path)


def integration_parts() -> list[Part]:
    """Return our own migrations, which follow the engine's: rights, upkeep, calls, broadcasts."""
    folder = files("pgflow_supabase.project").joinpath("sql")
    found = sorted(
        (each for each in folder.iterdir() if _INTEGRATION.fullmatch(each.name)), key=lambda each: each.name
    )
    return [
        Part(f"pgflow_supabase_{each.name.removesuffix('.sql')}", each.read_text(encoding="utf-8"))
        for each in found
    ]


def write_migrations(folder: Path, parts: Iterable[Part], now: datetime, writing: Writing) -> None:
    """Write what the folder lacks, in order, with time stamps later than any that is there."""
    present = {match["name"]: path for path, match in _migrations(folder)}
    stamps = _stamps_after((match["stamp"] for _, match in _migrations(folder)), now)
    for part in parts:
        path = present.get(part.name) or folder / f"{next(stamps)}_{part.name}.sql"
        writing.write(path, part.sql)


def _migrations(folder: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is not None:
            yield path, match


def _stamps_after(stamps: Iterable[str], now: datetime) -> Iterator[str]:
    time = now.astimezone(UTC)
    for stamp in stamps:
        try:
            found = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
        except ValueError:  # fourteen digits that are no time sort among the others all the same
            continue
        time = max(time, found + timedelta(seconds=1))
    while True:
        yield time.strftime(_STAMP)
        time += timedelta(seconds=1)
