"""What a client asks of the database, as statements: the part that both clients share."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar, cast
from uuid import UUID

from pgflow.client.models import Deployed, LogEntry, RunDetail, RunPage, RunProgress, RunStatus
from pgflow.database.statement import Statement
from pgflow.database.statements import runs
from pgflow.database.statements.definitions import DefinedFlow, FlowVersion
from pgflow.database.statements.runs import LogRow, Started, StartedMany
from pgflow.errors import InputError, RunNotFound
from pgflow.jsontext import DEEPEST, is_too_deep

if TYPE_CHECKING:
    from pgflow.dsl import Flow

__all__ = [
    "RunFilters",
    "RunOptions",
    "StartOptions",
    "definition_text",
    "deployed",
    "get_progress",
    "get_run",
    "known_status",
    "list_runs",
    "logs",
    "run_id_of",
    "start",
    "start_by_slug",
    "start_many",
]

In = TypeVar("In")

_CHUNK: Final = 1000
_CHUNK_CHARACTERS: Final = 8_000_000


class RunOptions(TypedDict, total=False):
    """What one or many runs may be started with; nothing of it is required."""

    priority: int | None
    """-100 to 100; higher runs are claimed first. Overrides the steps' own."""
    start_at: datetime | None
    """With a time zone: nothing of the run starts earlier."""
    tags: Mapping[str, Any] | None
    flow_version: int | None
    """The active one, unless given."""


class StartOptions(RunOptions, total=False):
    """What one run may be started with; nothing of it is required."""

    run_id: UUID | None
    idempotency_key: str | None
    """Unique per flow while its run exists: a second start gives the first run."""


class RunFilters(TypedDict, total=False):
    """Which runs a list shows: those that match all that is given."""

    status: RunStatus | None
    flow: str | None
    """A flow's slug."""
    tags: Mapping[str, Any] | None
    """A run must have all of them; it may have more."""
    owner: str | None
    since: datetime | None
    """With a time zone: only runs created then or later."""


def definition_text(flow: Flow[Any, Any]) -> str:
    """Write the definition that `deploy` stores."""
    return json.dumps(flow.definition.to_json())


def start(flow: Flow[In, Any], value: In, options: StartOptions) -> Statement[Started]:
    """Start a run; raises InputError, which names the field, for an input of another type."""
    return _start(flow.slug, flow.encode_input(value), options)


def start_by_slug(slug: str, value: object, options: StartOptions) -> Statement[Started]:
    """Start a run of a flow that is known by name only."""
    return _start(slug, _json(value), options)


def start_many(
    flow: Flow[In, Any],
    values: Sequence[In],
    idempotency_keys: Sequence[str] | None,
    options: RunOptions,
) -> Iterator[Statement[list[StartedMany]]]:
    """Start a run for each value, a thousand in a call; raises InputError that names the place."""
    if idempotency_keys is not None and len(idempotency_keys) != len(values):
        raise InputError(
            f"{len(values)} inputs and {len(idempotency_keys)} idempotency keys: give one for each"
        )
    inputs = [_encoded(flow, value, place) for place, value in enumerate(values)]
    for chunk in _chunks(inputs):
        keys = None if idempotency_keys is None else idempotency_keys[chunk]
        yield runs.run_flows(flow.slug, inputs[chunk], idempotency_keys=keys, **_arguments(options))


def get_run(run_id: UUID) -> Statement[RunDetail]:
    """Read a run with its steps."""
    return runs.get_run(run_id).then(RunDetail.from_json)


def get_progress(run_id: UUID) -> Statement[RunProgress]:
    """Read how far a run is."""
    return runs.get_progress(run_id).then(RunProgress.from_json)


def list_runs(filters: RunFilters, limit: int, before: UUID | str | None = None) -> Statement[RunPage]:
    """Read the newest runs that match."""
    tags = filters.get("tags")
    return runs.list_runs(
        status=filters.get("status"),
        flow_slug=filters.get("flow"),
        tags_json=None if tags is None else _json(dict(tags)),
        owner=filters.get("owner"),
        since=_zoned(filters.get("since"), "since"),
        before=None if before is None else run_id_of(before),
        limit=limit,
    ).then(RunPage.from_json)


def logs(run_id: UUID, step: str | None, task_index: int | None, limit: int) -> Statement[list[LogEntry]]:
    """Read what a run's attempts logged."""
    rows = runs.task_logs(run_id, step_slug=step, task_index=task_index, limit=limit)
    return rows.then(lambda found: [_log_entry(row) for row in found])


def run_id_of(run_id: UUID | str) -> UUID:
    """Read a run id; raises InputError for a text that is none."""
    if isinstance(run_id, UUID):
        return run_id
    try:
        return UUID(run_id)
    except ValueError:
        raise InputError(f"{run_id!r} is not a run id, which is a UUID", field="run_id") from None


def known_status(run_id: UUID, status: str | None) -> RunStatus:
    """Take a status that was read; raises RunNotFound if there was none."""
    if status is None:
        raise RunNotFound(f"no run {run_id}. Check the id and the database; runs that were pruned are gone.")
    return cast("RunStatus", status)


def deployed(defined: DefinedFlow, before: FlowVersion | None, flow: Flow[Any, Any]) -> Deployed:
    """Say what a deployment changed."""
    from pgflow.compile import diff

    changes: Sequence[str] = ()
    if before is None or before.flow_version != defined.flow_version:
        old = None if before is None else json.loads(before.definition)
        changes = diff(old, flow.definition.to_json())
    return Deployed(defined.flow_slug, defined.flow_version, defined.created, tuple(changes))


def _start(slug: str, input_json: str, options: StartOptions) -> Statement[Started]:
    key = options.get("idempotency_key")
    run_id = options.get("run_id")
    if run_id is None and key is None:
        # Known before it is sent, so that it can be sent again when the connection breaks: still one run.
        run_id = new_run_id()
    return runs.run_flow(slug, input_json, run_id=run_id, idempotency_key=key, **_arguments(options))


def _arguments(options: RunOptions) -> dict[str, Any]:
    return {
        "priority": options.get("priority"),
        "start_at": _zoned(options.get("start_at"), "start_at"),
        "flow_version": options.get("flow_version"),
        "tags_json": _json(dict(options.get("tags") or {})),
    }


def _zoned(moment: datetime | None, field: str) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise InputError(f"{field} has no time zone: say datetime.now(UTC) + ...", field=field)
    return moment


def new_run_id() -> UUID:
    """Make a UUID of version 7: runs that begin together lie together in the database."""
    milliseconds = time.time_ns() // 1_000_000
    number = milliseconds << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 7 << 76
    return UUID(int=number & ~(0x3 << 62) | 0x2 << 62)


def _encoded(flow: Flow[In, Any], value: In, place: int) -> str:
    try:
        return flow.encode_input(value)
    except InputError as error:
        raise InputError(f"input {place}: {error}", field=error.field) from error


def _chunks(inputs: Sequence[str]) -> Iterator[slice]:
    begin, characters = 0, 0
    for place, text in enumerate(inputs):
        characters += len(text)
        if place > begin and (place - begin == _CHUNK or characters > _CHUNK_CHARACTERS):
            yield slice(begin, place)
            begin, characters = place, len(text)
    if inputs:
        yield slice(begin, len(inputs))


def _json(value: object) -> str:
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", field="") from error
    if is_too_deep(text):
        raise InputError(f"nested more than {DEEPEST} levels deep", field="")
    return text


def _log_entry(row: LogRow) -> LogEntry:
    return LogEntry(*row)
