"""What a driver's error means to PGFlow: its own error, a reason to try again, or a lost connection."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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


VERBS: Final[Mapping[str, Collection[str]]] = {
    "pgflow_deployer": ("define_flow", "delete_flow", "open_flow", "close_flow"),
    "pgflow_client": (
        *("run_flow", "run_flows", "start_step", "cancel_run", "retry_run", "pause_run", "resume_run"),
        *("get_run", "get_progress", "list_runs"),
    ),
    "pgflow_user": ("start_flow",),
    "pgflow_dispatcher": (
        *("claim_step_tasks", "exchange_step_tasks", "record_launches", "maintain"),
        *("postpone_lease_expiry", "pause_executor", "resume_executor", "prune_runs"),
    ),
    "pgflow_worker": (
        *("start_step_task", "heartbeat_step_tasks", "complete_step_task", "fail_step_task"),
        *("next_wake_at", "release_step_tasks", "report_step_tasks", "claim_with_key"),
    ),
    "pgflow_viewer": ("check_invariants", "backlog", "sweep_lag", "queue_waits", "doctor", "missing_indexes"),
    "pgflow_owner": ("create_worker_key", "revoke_worker_key"),
}
"""The role with the fewest rights that may call a verb."""


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
    if state == "42501":
        return DatabaseError(f"{message}. {_grant(message)}", sqlstate=state)
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
    return None


def _grant(message: str) -> str:
    denied = message.partition("permission denied for ")[2].rpartition(" ")[2]
    role = next((role for role, verbs in VERBS.items() if denied in verbs), None)
    if role is None:
        return f"Grant the user a role that may: one of {', '.join(VERBS)}"
    return f"Grant the user the role that may: grant {role} to ..."


def _words(error: psycopg.Error) -> str:
    diag = error.diag
    if diag.message_primary is None:
        return str(error).strip() or type(error).__name__
    said = "; ".join(part for part in (diag.message_primary, diag.message_detail) if part)
    return f"{said}. {diag.message_hint}" if diag.message_hint else said
