"""A thin typed driver: one method per verb of the engine, over one connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb

from .definitions import Json, flow
from .journal import Journal
from .rights import is_query, role_of, sets_a_role

Row = Any

NO_INPUT: Json = {}

VIEWER = "pgflow_viewer"

ATTEMPT_COLUMNS = (
    "run_id, step_slug, task_index, attempt, outcome, ended_by, error, worker_id, external_id, started_at, "
    "ended_at, log_tail"
)
"""All but the token's hash, which nobody may read."""

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
"""Second 0 of the faked clock: in the past, so that what a test leaves behind is not of the future."""


class Engine:
    """Drives the engine as one client would: every call is one statement on `connection`."""

    def __init__(self, connection: psycopg.Connection[Any], *, pooled: bool = False) -> None:
        self.connection = connection
        self._pooled = pooled
        self._clock: str | None = None
        self.seconds = 0.0
        self._is_itself = False
        self.journal: Journal | None = None
        """Where every call and its answer is written, if anywhere."""

    # -- plain SQL ---------------------------------------------------------------------------------

    def rows(self, query: str, *params: Any, role: str | None = None) -> list[Row]:
        """Return every row of a statement as named tuples.

        A verb is called with the rights of `role`, or of the role that calls it in production; a statement
        without verbs, and all after a `set role`, with those of the session.
        """
        if self.journal is None:
            return self._rows(query, params, role)
        with self.journal.entry(query, params) as answer:
            answer.extend(self._rows(query, params, role))
        return answer

    def _rows(self, query: str, params: Sequence[Any], role: str | None) -> list[Row]:
        self._is_itself = self._is_itself or sets_a_role(query)
        if role is None and not self._is_itself:
            role = role_of(query)
        if role is not None or (self._clock is not None and is_query(query)):
            return self._rows_as(role, query, params)
        with self.connection.cursor(row_factory=namedtuple_row) as cursor:
            cursor.execute(query, params or None)
            return cursor.fetchall() if cursor.description else []

    def _rows_as(self, role: str | None, query: str, params: Sequence[Any]) -> list[Row]:
        # In one message, so in one transaction: nothing is left of the role whatever happens.
        before = [f"set local role {role}"] if role is not None else []
        if self._clock is not None:
            before.append(f"set local pgflow.fake_now = '{self._clock}'")
        after = ["reset role"] if role is not None else []
        with psycopg.ClientCursor(self.connection, row_factory=namedtuple_row) as cursor:
            cursor.execute("; ".join([*before, query, *after]), params or None)
            for _ in before:
                cursor.nextset()
            return cursor.fetchall() if cursor.description else []

    def row(self, query: str, *params: Any, role: str | None = None) -> Row:
        """Return the only row of a statement."""
        (found,) = self.rows(query, *params, role=role)
        return found

    def value(self, query: str, *params: Any, role: str | None = None) -> Any:
        """Return the only value of a statement."""
        return self.row(query, *params, role=role)[0]

    def at(self, seconds: float) -> datetime:
        """Set the faked clock to this many seconds after `EPOCH`."""
        self.seconds = seconds
        now = EPOCH + timedelta(seconds=seconds)
        if self._pooled:  # the session is not ours: the clock goes with each statement
            self._clock = now.isoformat()
        else:
            self.rows("select set_config('pgflow.fake_now', %s, false)", now.isoformat())
        return now

    def wait(self, seconds: float) -> datetime:
        """Move the faked clock on."""
        return self.at(self.seconds + seconds)

    @property
    def transaction(self) -> Any:
        """A transaction block on the connection."""
        return self.connection.transaction

    # -- definitions -------------------------------------------------------------------------------

    def define(self, slug: str, *steps: dict[str, Json], **keys: Json) -> Row:
        """Define a flow; return flow_slug, flow_version, created."""
        return self.define_json(flow(slug, *steps, **keys))

    def define_json(self, definition: Json) -> Row:
        """Define a flow from its whole JSON."""
        return self.row("select * from pgflow.define_flow(%s)", Jsonb(definition))

    # -- runs --------------------------------------------------------------------------------------

    def start(self, slug: str, value: Json = NO_INPUT, **arguments: Any) -> Row:
        """Start a run; return the row of `run_flow`."""
        given = {"input": Jsonb(value), **arguments}
        return self.row(
            f"select * from pgflow.run_flow(%s, {', '.join(f'{name} => %s' for name in given)})",
            slug,
            *given.values(),
        )

    def run(self, slug: str, value: Json = NO_INPUT, **arguments: Any) -> UUID:
        """Start a run; return its id."""
        return self.start(slug, value, **arguments).run_id

    def run_many(self, slug: str, inputs: Sequence[Json], **arguments: Any) -> list[Row]:
        """Start one run per input; return ordinal, run_id, created."""
        given = {"inputs": [Jsonb(value) for value in inputs], **arguments}
        names = ", ".join(f"{name} => %s{'::jsonb[]' if name == 'inputs' else ''}" for name in given)
        return self.rows(f"select * from pgflow.run_flows(%s, {names})", slug, *given.values())

    def cancel(self, run_id: UUID, reason: str | None = None) -> str:
        """Cancel a run."""
        return self.value("select pgflow.cancel_run(%s, %s)", run_id, reason)

    def retry(self, run_id: UUID, from_step: str | None = None) -> str:
        """Reopen an ended run."""
        return self.value("select pgflow.retry_run(%s, %s)", run_id, from_step)

    def get_run(self, run_id: UUID) -> dict[str, Json]:
        """Return what a status page shows."""
        return self.value("select pgflow.get_run(%s)", run_id)

    # -- tasks -------------------------------------------------------------------------------------

    def claim(
        self,
        max_tasks: int = 1,
        *,
        executor: str = "local",
        worker: str = "worker-1",
        lease: float = 30,
        mode: str = "start",
        inputs: str = "full",
    ) -> list[Row]:
        """Claim up to `max_tasks` tasks."""
        return self.rows(
            "select * from pgflow.claim_step_tasks(%s, %s, %s, %s, %s, %s)",
            *(executor, worker, max_tasks, lease, mode, inputs),
        )

    def take(self, step_slug: str | None = None, **arguments: Any) -> Row:
        """Claim exactly one task, of the step named if any is."""
        (task,) = self.claim(1, **arguments)
        assert step_slug in (None, task.step_slug), f"claimed {task.step_slug}, expected {step_slug}"
        return task

    def take_all(self, **arguments: Any) -> dict[str, Row]:
        """Claim all that is ready; return the tasks by step slug (or `slug[index]` for map items)."""
        tasks = self.claim(1000, **arguments)
        return {
            t.step_slug if t.step_type == "single" else f"{t.step_slug}[{t.task_index}]": t for t in tasks
        }

    def begin(self, task: Row, instance: str = "instance-1") -> Row:
        """Shake hands for a task (`start_step_task`)."""
        return self.row("select * from pgflow.start_step_task(%s, %s, %s, %s, %s)", *key(task), instance)

    def complete(self, task: Row, output: Json = None) -> str:
        """Report a task's output; None is JSON null."""
        return self.value("select pgflow.complete_step_task(%s, %s, %s, %s, %s)", *key(task), Jsonb(output))

    def fail(
        self,
        task: Row,
        error: Json = None,
        *,
        retryable: bool = True,
        retry_after: float | None = None,
    ) -> str:
        """Report a task's failure."""
        given = {"message": "it broke"} if error is None else error
        return self.value(
            "select pgflow.fail_step_task(%s, %s, %s, %s, %s, %s, %s)",
            *(*key(task), Jsonb(given), retryable, retry_after),
        )

    def release(self, *tasks: Row, delay: float = 0) -> list[str]:
        """Hand tasks back."""
        listed = Jsonb([reference(task) for task in tasks])
        return self._statuses("pgflow.release_step_tasks(%s, %s)", listed, delay)

    def heartbeat(self, *tasks: Row, lease: float = 30) -> list[str]:
        """Renew leases; return the statuses."""
        listed = Jsonb([reference(task) for task in tasks])
        return self._statuses("pgflow.heartbeat_step_tasks(%s, %s)", listed, lease)

    def report(self, reports: Iterable[Json]) -> list[str]:
        """Send a batch of reports; return the statuses in order."""
        return self._statuses("pgflow.report_step_tasks(%s)", Jsonb(list(reports)))

    def launches(self, *launches: Json) -> list[str]:
        """Record what became of launches; return the statuses in order."""
        return self._statuses("pgflow.record_launches(%s)", Jsonb(list(launches)))

    def observe(self, *observations: Json) -> list[str]:
        """Tell what was seen of launched attempts; return the statuses in order."""
        return self._statuses("pgflow.observe_launches(%s)", Jsonb(list(observations)))

    def due(self, interval: float = 15, *external_ids: str, executor: str = "local") -> list[Row]:
        """Take the launched attempts of an executor that are due, or named."""
        return self.rows(
            "select * from pgflow.due_launches(%s, 500, %s, %s)", executor, interval, list(external_ids)
        )

    def exchange(
        self,
        reports: Iterable[Json] = (),
        max_tasks: int = 1,
        *,
        executor: str = "local",
        worker: str = "worker-1",
        lease: float = 30,
        mode: str = "start",
        inputs: str = "full",
    ) -> list[Row]:
        """Report and claim in one call; return its rows."""
        return self.rows(
            "select * from pgflow.exchange_step_tasks(%s, %s, %s, %s, %s, %s, %s)",
            *(Jsonb(list(reports)), executor, worker, max_tasks, lease, mode, inputs),
        )

    def maintain(self, passes: int = 1) -> None:
        """Run bounded maintenance passes."""
        for _ in range(passes):
            self.value("select pgflow.maintain()")

    def next_wake_at(self, *executors: str) -> datetime | None:
        """Return when the next task of the executors may become ready."""
        return self.value("select pgflow.next_wake_at(%s)", list(executors) or ["local"])

    # -- what is stored ----------------------------------------------------------------------------

    def stored_run(self, run_id: UUID) -> Row:
        """Return the run's row."""
        return self.row("select * from pgflow.runs where run_id = %s", run_id, role=VIEWER)

    def status(self, run_id: UUID) -> str:
        """Return the run's status."""
        return self.stored_run(run_id).status

    def steps(self, run_id: UUID) -> dict[str, str]:
        """Return the status of every step."""
        found = self.rows(
            "select step_slug, status from pgflow.step_states where run_id = %s", run_id, role=VIEWER
        )
        return {row.step_slug: row.status for row in found}

    def step(self, run_id: UUID, slug: str) -> Row:
        """Return the state of one step."""
        return self.row(
            "select * from pgflow.step_states where run_id = %s and step_slug = %s", run_id, slug, role=VIEWER
        )

    def skips(self, run_id: UUID) -> dict[str, str]:
        """Return the reason of every skipped step."""
        found = self.rows(
            "select step_slug, skip_reason from pgflow.step_states where run_id = %s and status = 'skipped'",
            run_id,
            role=VIEWER,
        )
        return {row.step_slug: row.skip_reason for row in found}

    def tasks(self, run_id: UUID, slug: str | None = None) -> list[Row]:
        """Return the tasks of a run, or of one of its steps, by step and index."""
        return self.rows(
            """select * from pgflow.step_tasks where run_id = %s and (%s::text is null or step_slug = %s)
               order by step_slug, task_index""",
            *(run_id, slug, slug),
            role=VIEWER,
        )

    def task(self, run_id: UUID, slug: str, index: int = 0) -> Row:
        """Return one task as stored."""
        return self.row(
            "select * from pgflow.step_tasks where run_id = %s and step_slug = %s and task_index = %s",
            *(run_id, slug, index),
            role=VIEWER,
        )

    def attempts(self, run_id: UUID, slug: str, index: int = 0) -> list[Row]:
        """Return the ended attempts of a task that did not complete, oldest first."""
        return self.rows(
            f"""select {ATTEMPT_COLUMNS} from pgflow.step_task_attempts
               where run_id = %s and step_slug = %s and task_index = %s order by attempt""",
            *(run_id, slug, index),
            role=VIEWER,
        )

    def outcomes(self, run_id: UUID, slug: str, index: int = 0) -> list[tuple[int, str]]:
        """Return number and outcome of each attempt that `attempts` returns."""
        return [(row.attempt, row.outcome) for row in self.attempts(run_id, slug, index)]

    def violations(self, run_id: UUID | None = None) -> list[Row]:
        """Return what `check_invariants` finds."""
        return self.rows("select * from pgflow.check_invariants(%s)", run_id)

    # -- several calls at once ---------------------------------------------------------------------

    def work_off(self, outputs: dict[str, Json] | None = None, batch: int = 500) -> int:
        """Complete all that is or becomes ready, with the step's output if given; return how many."""
        done = 0
        known = outputs or {}
        while tasks := self.claim(batch):
            reports = [complete_report(task, known.get(task.step_slug)) for task in tasks]
            assert set(self.report(reports)) == {"completed"}
            done += len(tasks)
        return done

    def _statuses(self, call: str, *params: Any) -> list[str]:
        found = self.rows(f"select * from {call}", *params)
        first = found[0].ordinal if found else 0
        assert [row.ordinal for row in found] == list(range(first, first + len(found)))
        return [row.status for row in found]


def key(task: Row) -> tuple[UUID, str, int, UUID]:
    """Return what names an attempt of a task in the single verbs."""
    return task.run_id, task.step_slug, task.task_index, task.attempt_token


def reference(task: Row) -> dict[str, Json]:
    """Return what names an attempt of a task in the batch verbs."""
    run_id, step_slug, task_index, token = key(task)
    return {
        "run_id": str(run_id),
        "step_slug": step_slug,
        "task_index": task_index,
        "attempt_token": str(token),
    }


def complete_report(task: Row, output: Json = None) -> dict[str, Json]:
    """Return the report of a completion."""
    return reference(task) | {"outcome": "complete", "output": output}


def fail_report(task: Row, **more: Json) -> dict[str, Json]:
    """Return the report of a failure."""
    return reference(task) | {"outcome": "fail", "error": {"message": "it broke"}} | more


def release_report(task: Row) -> dict[str, Json]:
    """Return the report of a hand-back."""
    return reference(task) | {"outcome": "release"}


def fail_step(engine: Engine, tasks: Mapping[str, Row], name: str) -> None:
    """Fail a task for good."""
    assert engine.fail(tasks[name], retryable=False) == "failed"


@contextmanager
def refused(sqlstate: str, *words: str) -> Iterator[pytest.ExceptionInfo[psycopg.Error]]:
    """Expect an error with this SQLSTATE whose text has every one of `words`."""
    with pytest.raises(psycopg.Error) as caught:
        yield caught
    assert caught.value.sqlstate == sqlstate, f"{caught.value.sqlstate}: {caught.value}"
    diag = caught.value.diag
    text = " ".join(filter(None, (diag.message_primary, diag.message_detail, diag.message_hint)))
    missing = [word for word in words if word not in text]
    assert not missing, f"{missing} not said in: {text}"
