"""Brings a database's schema up to date, and says what that did."""

from __future__ import annotations

from collections.abc import Sequence

import pgflow_sql
from pgflow_sql import Migration, MigrationError

from pgflow import errors
from pgflow.database.connection import connect

__all__ = ["migrate"]

_ERRORS: dict[str, type[errors.DatabaseError]] = {
    "ForeignSchema": errors.ForeignSchema,
    "SchemaTooNew": errors.SchemaTooNew,
}


def migrate(dsn: str) -> Sequence[Migration]:
    """Apply the migrations that the database lacks, and return them; raises a DatabaseError."""
    with connect(dsn, application_name="pgflow migrate", check_schema=False) as connection:
        try:
            return pgflow_sql.migrate(connection)
        except MigrationError as error:
            raise _ERRORS.get(type(error).__name__, errors.DatabaseError)(str(error)) from error
