"""The synchronous client."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack, overload
from uuid import UUID

import psycopg

from pgflow.client import requests
from pgflow.client.configured import configured_dsn
from pgflow.client.links import BorrowedLink, Link, OwnLink
from pgflow.client.models import Deployed, LogEntry, RunDetail, RunPage, RunProgress, RunStatus
from pgflow.client.requests import RunFilters, RunOptions, StartOptions
from pgflow.client.waiting import Decode, Patience, decoder, list_pause, outcome, raw_output
from pgflow.database.statements import definitions, operations, runs
from pgflow.errors import DatabaseUnreachable
from pgflow.tracing.current import starting

if TYPE_CHECKING:
    from pgflow.dsl import Flow

__all__ = ["Client", "RunHandle"]

In = TypeVar("In")
Out = TypeVar("Out")


class RunHandle(Generic[Out]):
    """A run that was started, or looked up; Out is the type of its result."""

    def __init__(self, link: Link, run_id: UUID, decode: Decode[Out], *, created: bool | None = None) -> None:
        self.run_id = run_id
        self.created = created
        """False if the start found a run of the same idempotency key or id; None if the run was looked up."""
        self._link = link
        self._decode = decode

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.run_id}>"

    def result(self, timeout: float | None = None) -> Out:
        """Wait for the run to end and return what its flow returns.

        Raises RunFailed, RunCancelled, or TimeoutError after `timeout` seconds, when the run goes on.
        """
        patience = Patience(self.run_id, timeout)
        while True:
            try:
                status = self._link.look(runs.run_status(self.run_id))
                patience.reached()
                if status != "running":
                    run = self._link.look(requests.get_run(self.run_id))
                    if run.ended:  # and nobody has retried it meanwhile
                        return outcome(run, self._decode)
            except DatabaseUnreachable as error:
                patience.excuse(error)
            self._link.wait(self.run_id, patience)

    def status(self) -> RunStatus:
        """Read the run's status.  Raises RunNotFound."""
        return requests.known_status(self.run_id, self._link.fetch(runs.run_status(self.run_id)))

    def watch(self, timeout: float | None = None) -> Iterator[RunDetail]:
        """Yield the run as it is, then each time it has got further, until it has ended.

        Raises TimeoutError after `timeout` seconds.
        """
        patience = Patience(self.run_id, timeout, closely=True)
        known: RunProgress | None = None
        seen: RunDetail | None = None
        while seen is None or not seen.ended:
            if known is not None:
                self._link.wait(self.run_id, patience)
            try:
                progress = self._link.look(requests.get_progress(self.run_id))
                run = seen
                if progress != known:
                    run = self._link.look(requests.get_run(self.run_id))
            except DatabaseUnreachable as error:
                patience.excuse(error)
                continue
            patience.reached(changed=progress != known)
            known = progress
            if run is not None and run != seen:
                seen = run
                yield run

    def progress(self) -> RunProgress:
        """Read how far the run is, which is cheap whatever its size.  Raises RunNotFound."""
        return self._link.fetch(requests.get_progress(self.run_id))

    def cancel(self, reason: str | None = None) -> bool:
        """Cancel the run; False if it had ended already."""
        return self._link.fetch(runs.cancel_run(self.run_id, reason)) == "cancelled"


class Client:
    """Deploys flows, starts runs of them and looks after runs.

    Give a DSN, or a connection of yours: then everything happens in its transaction and nothing is
    committed here.  With neither, the configuration says (PGFLOW_DSN, DATABASE_URL, pgflow.toml), and
    without one the embedded server is used.  Threads may share a client that has a DSN.
    """

    def __init__(self, dsn: str | None = None, *, connection: psycopg.Connection[Any] | None = None) -> None:
        if dsn is not None and connection is not None:
            raise TypeError("give a DSN or a connection, not both")
        self._link: Link = (
            OwnLink(dsn or configured_dsn()) if connection is None else BorrowedLink(connection)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the client's own connections."""
        self._link.close()

    def deploy(self, flow: Flow[Any, Any]) -> Deployed:
        """Make the flow's definition the active version; the same content twice changes nothing."""
        before = self._link.fetch(definitions.active_definition(flow.slug))
        defined = self._link.fetch(definitions.define_flow(requests.definition_text(flow)))
        return requests.deployed(defined, before, flow)

    def start(
        self,
        flow: Flow[In, Out],
        input: In,  # noqa: A002  what it is called everywhere else
        **options: Unpack[StartOptions],
    ) -> RunHandle[Out]:
        """Start a run.

        Raises InputError, which names the field, before anything is sent; FlowNotFound if the flow is not
        deployed; Conflict if the run id is taken by another run.
        """
        with starting(flow.slug) as linked:
            started = self._link.fetch(requests.start(flow, input, options))
            linked(started.run_id)
        return RunHandle(self._link, started.run_id, decoder(flow), created=started.created)

    def start_many(
        self,
        flow: Flow[In, Out],
        inputs: Iterable[In],
        *,
        idempotency_keys: Sequence[str] | None = None,
        **options: Unpack[RunOptions],
    ) -> list[RunHandle[Out]]:
        """Start a run for each input, all or none; handles come in the order of the inputs."""
        statements = requests.start_many(flow, list(inputs), idempotency_keys, options)
        decode = decoder(flow)
        handles: list[RunHandle[Out]] = []
        with starting(flow.slug) as linked:
            for chunk in self._link.fetch_all(statements):
                for started in chunk:
                    linked(started.run_id)
                    handles.append(RunHandle(self._link, started.run_id, decode, created=started.created))
        return handles

    def start_by_slug(self, slug: str, value: object, **options: Unpack[StartOptions]) -> RunHandle[Any]:
        """Start a run of a flow known by name, with a JSON value; the result is the run's raw output."""
        with starting(slug) as linked:
            started = self._link.fetch(requests.start_by_slug(slug, value, options))
            linked(started.run_id)
        return RunHandle(self._link, started.run_id, raw_output, created=started.created)

    @overload
    def run(self, run_id: UUID | str, flow: Flow[Any, Out]) -> RunHandle[Out]: ...
    @overload
    def run(self, run_id: UUID | str, flow: None = None) -> RunHandle[Any]: ...
    def run(self, run_id: UUID | str, flow: Flow[Any, Any] | None = None) -> RunHandle[Any]:
        """Take hold of a run; with its flow the result is decoded.  Nothing is read yet."""
        decode = raw_output if flow is None else decoder(flow)
        return RunHandle(self._link, requests.run_id_of(run_id), decode)

    def runs(
        self, *, limit: int = 20, before: UUID | str | None = None, **filters: Unpack[RunFilters]
    ) -> RunPage:
        """Read the newest runs that match all that is given, older than the run `before`.

        It looks at 100,000 runs at the most: the `next` of what it returns, given as `before`, goes on from
        there.
        """
        return self._link.fetch(requests.list_runs(filters, limit, before))

    def watch_runs(self, *, limit: int = 20, **filters: Unpack[RunFilters]) -> Iterator[RunPage]:
        """Yield the newest runs that match, then again each time that list has changed, for ever.

        It looks once a second at the most.
        """
        patience = Patience(None, None)
        seen: RunPage | None = None
        while True:
            asked = time.monotonic()
            try:
                page = self._link.look(requests.list_runs(filters, limit))
                patience.reached()
                if page != seen:
                    seen = page
                    yield page
            except DatabaseUnreachable as error:
                patience.excuse(error)
            time.sleep(list_pause(time.monotonic() - asked))

    def get_run(self, run_id: UUID | str) -> RunDetail:
        """Read a run with its steps.  Raises RunNotFound."""
        return self._link.fetch(requests.get_run(requests.run_id_of(run_id)))

    def get_progress(self, run_id: UUID | str) -> RunProgress:
        """Read how far a run is, which is cheap whatever its size.  Raises RunNotFound."""
        return self._link.fetch(requests.get_progress(requests.run_id_of(run_id)))

    def logs(
        self,
        run_id: UUID | str,
        step: str | None = None,
        task_index: int | None = None,
        limit: int = 1000,
    ) -> list[LogEntry]:
        """Read what a run's attempts logged, oldest first."""
        return self._link.fetch(requests.logs(requests.run_id_of(run_id), step, task_index, limit))

    def cancel(self, run_id: UUID | str, reason: str | None = None) -> bool:
        """Cancel a run; False if it had ended already.  Raises RunNotFound."""
        return self._link.fetch(runs.cancel_run(requests.run_id_of(run_id), reason)) == "cancelled"

    def retry(self, run_id: UUID | str, from_step: str | None = None) -> None:
        """Reopen a failed or cancelled run, or any ended one from a step on.

        Raises RunNotFound, or NotPossible if there is nothing to retry.
        """
        self._link.fetch(runs.retry_run(requests.run_id_of(run_id), from_step))

    def pause_run(self, run_id: UUID | str) -> bool:
        """Let nothing new of a run start; what runs finishes.  False if it is paused, or has ended."""
        return self._link.fetch(runs.pause_run(requests.run_id_of(run_id))) == "paused"

    def resume_run(self, run_id: UUID | str) -> bool:
        """End the pause of a run; False if it was not paused, or has ended."""
        return self._link.fetch(runs.resume_run(requests.run_id_of(run_id))) == "resumed"

    def pause_executor(self, executor: str, reason: str | None = None) -> bool:
        """Let nothing new start on an executor, whichever dispatcher serves it; False if it is paused."""
        return self._link.fetch(operations.pause_executor(executor, reason)) == "paused"

    def resume_executor(self, executor: str) -> bool:
        """End the pause of an executor; False if it was not paused."""
        return self._link.fetch(operations.resume_executor(executor)) == "resumed"

    def prune(self, older_than: timedelta, limit: int = 1000) -> int:
        """Delete runs that ended longer ago than that, at most `limit`, and say how many."""
        return self._link.fetch(operations.prune_runs(older_than.total_seconds(), limit))

    def retention(self) -> timedelta | None:
        """Read how long runs are kept after their end before dispatchers delete them; None is for ever."""
        return self._link.fetch(operations.retention())

    def set_retention(self, keep: timedelta | None) -> None:
        """Have dispatchers delete runs that ended longer ago than that; None keeps them for ever."""
        self._link.fetch(operations.set_retention(keep))
