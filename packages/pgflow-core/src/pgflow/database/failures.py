"""What a driver's error means to PGFlow: its own error, a reason to try again, or a lost connection."""

from __future__ import annotations

from typing import Final

import psycopg

from pgflow.errors import (
    ERROR_BY_SQLSTATE,
    BadInput,
    DatabaseError,
    DatabaseUnreachable,
    ForeignSchema,
    PgflowError,
    SchemaMissing,
    SchemaTooOld,
    TooLarge,
)

__all__ = ["connection_lost", "translate"]

_LOST: Final = frozenset(
    {
        "25006",  # read-only: the server became a standby
        "53300",  # too many connections
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now
        "57P05",  # idle_session_timeout
    }
)


def connection_lost(error: psycopg.Error) -> bool:
    """Tell whether the connection, not the statement, is what failed."""
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state in _LOST or state.startswith("08")


def translate(error: psycopg.Error) -> PgflowError:
    """Turn a driver's error into ours, by its SQLSTATE; the server's words are kept."""
    state = error.sqlstate
    message = _words(error)
    if connection_lost(error):
        return DatabaseUnreachable(f"the database connection was lost: {message}", sqlstate=state)
    if state is None:
        return DatabaseError(message)
    ours = ERROR_BY_SQLSTATE.get(state)
    if ours is not None:
        return ours(message)
    if state.startswith("22"):
        return BadInput(f"PostgreSQL cannot store this value: {message}")
    if state == "54000":  # program_limit_exceeded: larger than any jsonb
        return TooLarge(f"PostgreSQL cannot store so large a value: {message}")
    return _of_installation(state, message) or DatabaseError(message, sqlstate=state)


def _of_installation(state: str, message: str) -> DatabaseError | None:
    if "pgflow" not in message:
        return None
    if state == "3F000":
        return SchemaMissing(sqlstate=state)
    if state == "42883" and "schema_version" in message:
        return ForeignSchema(
            "the database has a schema named pgflow that is not PGFlow's: use another database, "
            "or move that schema out of the way",
            sqlstate=state,
        )
    if state in {"42883", "42P01", "42703"}:  # undefined function, table, column
        return SchemaTooOld(
            f"the database's PGFlow schema does not fit this library ({message}): run `pgflow migrate`",
            sqlstate=state,
        )
    if state == "42501":
        return DatabaseError(
            f"{message}: grant the user one of PGFlow's roles (pgflow_client, pgflow_deployer, "
            "pgflow_dispatcher, pgflow_worker or pgflow_viewer)",
            sqlstate=state,
        )
    return None


def _words(error: psycopg.Error) -> str:
    diag = error.diag
    if diag.message_primary is None:
        return str(error).strip() or type(error).__name__
    parts = (diag.message_primary, diag.message_detail, diag.message_hint)
    return "; ".join(part for part in parts if part)
