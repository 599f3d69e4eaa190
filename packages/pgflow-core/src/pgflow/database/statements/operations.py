"""Statements about the installation: its version, its upkeep, its executors, its channels."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from pgflow.database.statement import Statement, only, rest, scalar

__all__ = [
    "Probe",
    "check_invariants",
    "count_prunable",
    "listen_echo",
    "listen_events",
    "listen_ready",
    "maintain",
    "next_wake_in",
    "pause_executor",
    "postpone_lease_expiry",
    "probe",
    "probe_without_schema",
    "prune_runs",
    "resume_executor",
    "retention",
    "send_echo",
    "set_retention",
    "unlisten_echo",
]


class Probe(NamedTuple):
    """What a new connection learns: the schema's version, and which server process serves it."""

    schema_version: int | None
    backend_pid: int


def probe() -> Statement[Probe]:
    """Ask for the schema version and the server process."""
    return Statement(
        "select pgflow.schema_version(), pg_backend_pid()",
        parse=lambda rows: Probe(*only(rows)),
        repeatable=True,
    )


def probe_without_schema() -> Statement[Probe]:
    """Ask for the server process of a database that may have no schema yet."""
    return Statement(
        "select null::int, pg_backend_pid()", parse=lambda rows: Probe(*only(rows)), repeatable=True
    )


def listen_echo() -> Statement[None]:
    """Hear of what `send_echo` sends."""
    return Statement("listen pgflow_echo", parse=rest, repeatable=True)


def unlisten_echo() -> Statement[None]:
    """Hear no more of it."""
    return Statement("unlisten pgflow_echo", parse=rest, repeatable=True)


def send_echo(call: str) -> Statement[None]:
    """Notify those who wait for an echo."""
    return Statement("select pg_notify('pgflow_echo', %s)", (call,), parse=rest, repeatable=True)


def listen_ready() -> Statement[None]:
    """Hear of tasks that became ready; a notification names executors, comma separated."""
    return Statement("listen pgflow_ready", parse=rest, repeatable=True)


def listen_events() -> Statement[None]:
    """Hear of runs that ended; a notification names run ids, comma separated, or `*`."""
    return Statement("listen pgflow_events", parse=rest, repeatable=True)


def next_wake_in(executor: str) -> Statement[float | None]:
    """Ask in how many seconds a claim may next find something; None: not before something happens."""
    return Statement(
        # In seconds, by the database's clock: ours may differ.
        "select extract(epoch from pgflow.next_wake_at(array[%s]) - pgflow.clock())::float8",
        (executor,),
        parse=scalar,
        repeatable=True,
    )


def maintain() -> Statement[bool]:
    """Make one bounded pass over what is overdue and ended runs; tell whether there may be more to delete."""
    return Statement(
        "select coalesce((pgflow.maintain() ->> 'more')::boolean, false)", parse=scalar, repeatable=True
    )


def postpone_lease_expiry(seconds: float) -> Statement[datetime]:
    """Let no lease expire for so long: what a dispatcher that was cut off calls before anything else."""
    return Statement("select pgflow.postpone_lease_expiry(%s)", (seconds,), parse=scalar, repeatable=True)


def pause_executor(executor: str, reason: str | None = None) -> Statement[str]:
    """Let nothing new of an executor be claimed."""
    return Statement(
        "select pgflow.pause_executor(%s, %s)", (executor, reason), parse=scalar, repeatable=True
    )


def resume_executor(executor: str) -> Statement[str]:
    """End the pause of an executor."""
    return Statement("select pgflow.resume_executor(%s)", (executor,), parse=scalar, repeatable=True)


def prune_runs(older_than_seconds: float, limit: int) -> Statement[int]:
    """Delete ended runs, at most `limit`, and say how many."""
    return Statement(
        "select pgflow.prune_runs(make_interval(secs => %s), %s)", (older_than_seconds, limit), parse=scalar
    )


def retention() -> Statement[timedelta | None]:
    """Read how long ended runs are kept; None is for ever."""
    return Statement(
        "select extract(epoch from retention)::float8 from pgflow.settings",
        parse=lambda rows: None if (seconds := scalar(rows)) is None else timedelta(seconds=seconds),
        repeatable=True,
    )


def set_retention(keep: timedelta | None) -> Statement[None]:
    """Have `maintain` delete runs that ended longer ago; None keeps them for ever."""
    seconds = None if keep is None else keep.total_seconds()
    return Statement(
        "select pgflow.set_retention(make_interval(secs => %s))", (seconds,), parse=rest, repeatable=True
    )


def count_prunable(older_than_seconds: float) -> Statement[int]:
    """Count the runs that `prune_runs` would delete without a limit; reads every run."""
    return Statement(
        "select count(*) from pgflow.runs "
        "where status <> 'running' and finished_at < pgflow.clock() - make_interval(secs => %s)",
        (older_than_seconds,),
        parse=scalar,
        repeatable=True,
    )


def check_invariants() -> Statement[list[str]]:
    """Read every violation of the engine's invariants, each as text; none is what is expected."""
    return Statement(
        "select violation::text from pgflow.check_invariants() as violation",
        parse=lambda rows: [row[0] for row in rows],
        repeatable=True,
    )
