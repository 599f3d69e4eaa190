"""Reports to the completion API."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pgflow import jsontext
from pgflow.reporters.contract import Call, NotWanted, Refused, Unavailable
from pgflow.reporters.web import Answer, Web

__all__ = ["HttpReporter"]


class HttpReporter:
    """Speaks to `url` + "v1/tasks/<verb>"; the bearer is the attempt token."""

    def __init__(self, url: str) -> None:
        self._web = Web(url)

    def call(self, call: Call, timeout: float) -> Mapping[str, str]:
        """Post the verb."""
        texts = {
            "run_id": f'"{call.run_id}"',
            "step_slug": json.dumps(call.step_slug),
            "task_index": str(call.task_index),
            **call.fields,
        }
        body = "{" + ",".join(f'"{name}":{text}' for name, text in texts.items()) + "}"
        headers = {"Authorization": f"Bearer {call.attempt_token}"}
        return _judge(self._web.post(f"v1/tasks/{call.verb}", body, headers, timeout))

    def close(self) -> None:
        """Close the connections."""
        self._web.close()


def _judge(answer: Answer) -> Mapping[str, str]:
    if answer.status == 200:
        try:
            return jsontext.members(answer.text)
        except ValueError as error:
            raise Unavailable(f"the answer is not one of the completion API: {error}") from None
    code, message = answer.problem()
    if answer.status in {401, 409} or code == "UNKNOWN_TASK":
        raise NotWanted(message)
    if answer.status == 413:
        raise Refused("too_large", message)
    if answer.status == 422:
        raise Refused("invalid", message)
    raise Refused("setup", f"{message} (HTTP status {answer.status}): is this the completion API?")
