"""Reports through PostgREST: the engine's SQL functions as remote procedures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn

from pgflow import jsontext
from pgflow.reporters.contract import Call, Refused, Unavailable
from pgflow.reporters.procedures import LEASE_SECONDS, addressed, judge_error, judge_status, report
from pgflow.reporters.web import Answer, Web

__all__ = ["PostgrestReporter"]


class PostgrestReporter:
    """Calls `url` + "rpc/<function>" in the schema `pgflow`; a key that is a JWT is the bearer, too."""

    def __init__(self, url: str, apikey: str | None) -> None:
        self._web = Web(url)
        # One row comes back as one object: then the input need not be cut out of an array.
        self._headers = {"Content-Profile": "pgflow", "Accept": "application/vnd.pgrst.object+json"}
        if apikey is not None:
            self._headers["apikey"] = apikey
            if apikey.count(".") == 2:
                self._headers["Authorization"] = f"Bearer {apikey}"

    def call(self, call: Call, timeout: float) -> Mapping[str, str]:
        """Call the verb's function."""
        function, body = _request(call)
        answer = self._web.post(f"rpc/{function}", body, self._headers, timeout)
        return _judge(answer)

    def close(self) -> None:
        """Close the connections."""
        self._web.close()


def _request(call: Call) -> tuple[str, str]:
    if call.verb == "start":
        return "start_step_task", addressed(call)
    if call.verb == "heartbeat":
        return "heartbeat_step_tasks", f'{{"tasks":[{addressed(call)}],"lease_seconds":{LEASE_SECONDS}}}'
    return "report_step_tasks", f'{{"reports":[{report(call)}]}}'


def _judge(answer: Answer) -> Mapping[str, str]:
    if answer.status != 200:
        _judge_problem(answer)
    try:
        members = jsontext.members(answer.text)
    except ValueError as error:
        raise Unavailable(f"the answer is not one of PostgREST: {error}") from None
    judge_status(json.loads(members.get("status", "null")))
    return members


def _judge_problem(answer: Answer) -> NoReturn:
    code, message = answer.problem()
    if answer.status == 413:
        raise Refused("too_large", message)
    if not code or code.startswith("PGRST"):
        raise Refused("setup", f"{message} (HTTP status {answer.status})")
    judge_error(code, message)
