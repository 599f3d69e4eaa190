"""Statements about worker keys: make, list and revoke them, and claim with one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pgflow.database.statement import Statement, only, scalar
from pgflow.database.statements.tasks import CLAIMED_COLUMNS, ClaimedTask, ClaimMode, Inputs

__all__ = [
    "CreatedKey",
    "WorkerKey",
    "claim_with_key",
    "create_worker_key",
    "revoke_worker_key",
    "worker_keys",
]


class CreatedKey(NamedTuple):
    """A new key, shown this once."""

    key_id: UUID
    key: str

    def __repr__(self) -> str:
        """Leave out the key."""
        return f"<CreatedKey {self.key_id}>"


class WorkerKey(NamedTuple):
    """What is stored of a key; `flows` None stands for all."""

    key_id: UUID
    name: str
    executors: list[str]
    flows: list[str] | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    is_expired: bool


def create_worker_key(
    name: str, executors: Sequence[str], flows: Sequence[str] | None, valid_seconds: float | None
) -> Statement[CreatedKey]:
    """Make a key that claims tasks of these executors, and of these flows if any are named."""
    return Statement(
        "select key_id, key from pgflow.create_worker_key(%s, %s, %s, "
        "pgflow.clock() + make_interval(secs => %s))",
        (name, list(executors), None if flows is None else list(flows), valid_seconds),
        parse=lambda rows: CreatedKey(*only(rows)),
    )


def worker_keys() -> Statement[list[WorkerKey]]:
    """Read every key there is or was, newest first."""
    return Statement(
        "select key_id, name, executors, flows, created_at, created_by, expires_at, revoked_at, "
        "last_used_at, coalesce(expires_at <= pgflow.clock(), false) from pgflow.worker_keys "
        "order by created_at desc, key_id",
        parse=lambda rows: [WorkerKey._make(row) for row in rows],
        repeatable=True,
    )


def revoke_worker_key(key_id: UUID) -> Statement[str]:
    """Let nothing more be claimed with a key: 'revoked' or 'already_revoked'."""
    return Statement("select pgflow.revoke_worker_key(%s)", (key_id,), parse=scalar, repeatable=True)


def claim_with_key(
    key: str,
    executor: str,
    worker_id: str,
    max_tasks: int,
    *,
    lease_seconds: float = 30,
    mode: ClaimMode = "start",
    inputs: Inputs = "full",
) -> Statement[list[ClaimedTask]]:
    """Claim what the key is for."""
    return Statement(
        "select " + CLAIMED_COLUMNS + " from pgflow.claim_with_key(%s, %s, %s, %s, %s, %s, %s)",  # noqa: S608
        (key, executor, worker_id, max_tasks, lease_seconds, mode, inputs),
        parse=lambda rows: [ClaimedTask._make(row) for row in rows],
    )
