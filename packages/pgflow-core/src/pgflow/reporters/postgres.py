"""Reports to the database itself.  The one reporter that needs a driver."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from pgflow.client.links import OwnLink
from pgflow.database.statement import Statement
from pgflow.database.statements.tasks import (
    heartbeat_step_tasks,
    report_step_tasks,
    start_step_task,
)
from pgflow.errors import BadInput, DatabaseError, DatabaseUnreachable, PgflowError, RunNotFound, TooLarge
from pgflow.reporters.contract import Call, NotWanted, Refused, Unavailable
from pgflow.reporters.procedures import LEASE_SECONDS, addressed, judge_error, judge_status, report

__all__ = ["PostgresReporter"]

T = TypeVar("T")


class PostgresReporter:
    """Two connections, so that a heartbeat never waits behind a report."""

    def __init__(self, dsn: str) -> None:
        self._reports = _Line(dsn)
        self._beats = _Line(dsn)

    def call(self, call: Call, timeout: float) -> Mapping[str, str]:
        """Call the verb's function."""
        try:
            return self._fetch(call, timeout)
        except DatabaseUnreachable as error:
            raise Unavailable(str(error)) from None
        except RunNotFound as error:
            raise NotWanted(str(error)) from None
        except TooLarge as error:
            raise Refused("too_large", str(error)) from None
        except BadInput as error:
            raise Refused("invalid", str(error)) from None
        except DatabaseError as error:
            judge_error(error.sqlstate, str(error))
        except PgflowError as error:
            raise Refused("setup", str(error)) from None

    def close(self) -> None:
        """Close the connections."""
        self._reports.close()
        self._beats.close()

    def _fetch(self, call: Call, timeout: float) -> Mapping[str, str]:
        if call.verb == "heartbeat":
            beat = heartbeat_step_tasks(f"[{addressed(call)}]", LEASE_SECONDS)
            return {"status": json.dumps(judge_status(self._beats.fetch(beat, timeout)[0].status))}
        if call.verb == "start":
            return self._start(call, timeout)
        (status,) = self._reports.fetch(report_step_tasks(f"[{report(call)}]"), timeout)
        return {"status": json.dumps(judge_status(status))}

    def _start(self, call: Call, timeout: float) -> Mapping[str, str]:
        instance_id: str = json.loads(call.fields["instance_id"])
        key = (call.run_id, call.step_slug, call.task_index, call.attempt_token)
        found = self._reports.fetch(start_step_task(*key, instance_id), timeout)
        status = judge_status(found.status)
        return {"status": json.dumps(status), "input": found.input or "{}"}


class _Line:
    """A connection that is left to itself when it does not answer in time."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._link = OwnLink(dsn)
        self._last: Future[Any] | None = None

    def fetch(self, statement: Statement[T], timeout: float) -> T:
        """Send a statement; raises DatabaseUnreachable after so many seconds, whatever it waits for."""
        link, answer = self._link, Future[T]()
        self._last = answer

        def ask() -> None:
            try:
                answer.set_result(link.fetch(statement))
            except BaseException as error:  # raised where it is waited for
                answer.set_exception(error)
            if link is not self._link:
                link.close()

        # libpq's own limits cover connecting and lost packets only, and may be set by the DSN.
        threading.Thread(target=ask, name="pgflow-report", daemon=True).start()
        try:
            return answer.result(timeout)
        except TimeoutError:
            self._link = OwnLink(self._dsn)
            raise DatabaseUnreachable(f"the database did not answer within {timeout:g} s") from None

    def close(self) -> None:
        """Close the connection; while it is in use, its user does."""
        link, self._link = self._link, OwnLink(self._dsn)
        if self._last is None or self._last.done():
            link.close()
