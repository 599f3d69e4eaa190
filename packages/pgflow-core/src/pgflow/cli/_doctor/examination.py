"""One examination: every check in turn, each limited in time, none stopped by another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from psycopg import Connection

from pgflow.cli._doctor import here, there
from pgflow.cli._doctor.findings import Finding, Severity, look
from pgflow.cli._doctor.pooler import pooler
from pgflow.cli._problems import Failure
from pgflow.cli._session import Session
from pgflow.config import Config, Embedded
from pgflow.database.connection import connect
from pgflow.database.execute import fetch
from pgflow.database.statements.doctor import doctor, doctor_checks, limit_time
from pgflow.errors import ConfigError, DatabaseUnreachable

__all__ = ["Examination"]

_SECONDS: Final = 10.0
_DEEP_SECONDS: Final = 600.0
_SEVERITIES: Final[dict[str, Severity]] = {"error": "error", "warning": "warning", "note": "note"}


@dataclass
class Examination:
    """What was looked at, and what was found."""

    session: Session
    deep: bool = False
    checks: list[str] = field(default_factory=list[str])
    findings: list[Finding] = field(default_factory=list[Finding])

    def run(self) -> None:
        """Look at the project, then at the database it names."""
        self.checks.append("config")
        try:
            config = self.session.config
            choice = config.database(self.session.dsn)
        except ConfigError as error:
            mend = "mend the file or the variable that is named; the other checks need it"
            self.findings.append(Finding("config", "error", "configuration", str(error), mend))
            return
        for name, check in here.CHECKS.items():
            self._note(name, look(name, check, config))
        if not (isinstance(choice, Embedded) and not choice.data_dir.exists()):
            self._note("connection", look("connection", self._look_at_database, config))

    def _note(self, name: str, found: list[Finding]) -> None:
        self.checks.append(name)
        self.findings.extend(found)

    def _look_at_database(self, config: Config) -> Iterator[Finding]:
        """Connect, and look from there; yields only why that was not possible."""
        try:
            with (
                self.session.database() as opened,
                connect(opened.dsn, application_name="pgflow doctor", check_schema=False) as connection,
            ):
                self._examine(connection, config, opened.dsn)
        except (DatabaseUnreachable, ConfigError, Failure) as error:
            mend = getattr(error, "mend", "") or "start the server, or give another DSN"
            yield Finding("connection", "error", "database", str(error), mend)

    def _examine(self, connection: Connection[Any], config: Config, dsn: str) -> None:
        schema = self._limited(connection, "schema", there.schema, config)
        self._note("schema", schema)
        if schema:
            return
        self._note("pooler", look("pooler", pooler, dsn, config))
        for name, check in there.CHECKS.items():
            self._note(name, self._limited(connection, name, check, config))
        for name in fetch(connection, doctor_checks()):
            self._note(name, self._limited(connection, name, _checked_by_database, name))
        if self.deep:
            for name, check in there.DEEP_CHECKS.items():
                self._note(name, self._limited(connection, name, check, config, seconds=_DEEP_SECONDS))

    def _limited(
        self,
        connection: Connection[Any],
        name: str,
        check: Any,
        argument: object,
        *,
        seconds: float = _SECONDS,
    ) -> list[Finding]:
        def limited() -> Iterator[Finding]:
            with connection.transaction():
                fetch(connection, limit_time(seconds))
                yield from check(connection, argument)

        return look(name, limited)


def _checked_by_database(connection: psycopg.Connection[Any], name: str) -> Iterator[Finding]:
    for row in fetch(connection, doctor(name)):
        severity = _SEVERITIES.get(row.severity, "unknown")
        yield Finding(row.check, severity, row.subject, row.finding, row.mend)
