"""Reports to the database itself.  The one reporter that needs a driver."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pgflow.client.links import OwnLink
from pgflow.database.statements.tasks import (
    heartbeat_step_tasks,
    report_step_tasks,
    start_step_task,
)
from pgflow.errors import BadInput, DatabaseError, DatabaseUnreachable, PgflowError, RunNotFound, TooLarge
from pgflow.reporters.contract import Call, NotWanted, Refused, Unavailable
from pgflow.reporters.procedures import LEASE_SECONDS, addressed, judge_error, judge_status, report

__all__ = ["PostgresReporter"]


class PostgresReporter:
    """Two connections, so that a heartbeat never waits behind a report."""

    def __init__(self, dsn: str) -> None:
        self._reports = OwnLink(dsn)
        self._beats = OwnLink(dsn)

    def call(self, call: Call, timeout: float) -> Mapping[str, str]:
        """Call the verb's function; how long that may take is said by the parameters of the DSN."""
        try:
            return self._fetch(call)
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

    def _fetch(self, call: Call) -> Mapping[str, str]:
        if call.verb == "heartbeat":
            renewals = self._beats.fetch(heartbeat_step_tasks(f"[{addressed(call)}]", LEASE_SECONDS))
            return {"status": json.dumps(judge_status(renewals[0].status))}
        if call.verb == "start":
            return self._start(call)
        (status,) = self._reports.fetch(report_step_tasks(f"[{report(call)}]"))
        return {"status": json.dumps(judge_status(status))}

    def _start(self, call: Call) -> Mapping[str, str]:
        instance_id: str = json.loads(call.fields["instance_id"])
        found = self._reports.fetch(
            start_step_task(call.run_id, call.step_slug, call.task_index, call.attempt_token, instance_id)
        )
        status = judge_status(found.status)
        return {"status": json.dumps(status), "input": found.input or "{}"}
