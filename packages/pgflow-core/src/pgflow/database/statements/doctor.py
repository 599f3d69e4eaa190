"""Statements of `pgflow doctor`: what the database itself finds, and what a client compares."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from pgflow.database.statement import Statement, as_objects, rest, scalar

__all__ = ["FindingRow", "doctor", "doctor_checks", "limit_time", "missing_indexes", "read_clock"]


class FindingRow(NamedTuple):
    """One row of `pgflow.doctor()`."""

    check: str
    severity: str
    subject: str
    finding: str
    mend: str


def doctor_checks() -> Statement[list[str]]:
    """Name the checks that this database has."""
    return Statement(
        "select check_name from pgflow.doctor_checks order by check_name",
        parse=lambda rows: [row[0] for row in rows],
        repeatable=True,
    )


def doctor(check: str) -> Statement[list[FindingRow]]:
    """Run one check in the database."""
    return Statement(
        "select check_name, severity, subject, finding, mend from pgflow.doctor(%s)",
        (check,),
        parse=as_objects(FindingRow),
        repeatable=True,
    )


def limit_time(seconds: float) -> Statement[None]:
    """Let no later statement of this transaction take longer."""
    milliseconds = str(round(seconds * 1000))
    return Statement(
        "select set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)",
        (milliseconds, milliseconds),
        parse=rest,
        repeatable=True,
    )


def missing_indexes(expected: Sequence[str]) -> Statement[list[str]]:
    """Say which of these indexes the schema lacks."""
    return Statement(
        "select name from pgflow.missing_indexes(%s) as name order by name",
        (list(expected),),
        parse=lambda rows: [row[0] for row in rows],
        repeatable=True,
    )


def read_clock() -> Statement[datetime]:
    """Read the engine's clock."""
    return Statement("select pgflow.clock()", parse=scalar, repeatable=True)
