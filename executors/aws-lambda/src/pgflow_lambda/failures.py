"""Reads the queue that Lambda sends events to that failed for good, or were dropped: hints, never results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from logging import Logger
from typing import TYPE_CHECKING, Final

from pgflow.jsonb import is_object

from pgflow_lambda.answers import said
from pgflow_lambda.endings import Ending, Endings, ending_of, external_id_of
from pgflow_lambda.invoking import Invoker
from pgflow_lambda.threads import Threads

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

__all__ = ["FailureQueue", "failure_in"]

_WAIT: Final = 4
"""Seconds that one question waits for messages: an executor that closes waits as long."""

_BATCH: Final = 10
_LIMIT: Final = 60.0
_PAUSE: Final = 30.0
"""Seconds until a queue is asked again that could not be read."""


class FailureQueue:
    """Notes an ending for each message, and deletes it: what is lost here, leases and deadlines will end."""

    def __init__(self, queue_url: str, invoker: Invoker, endings: Endings, logger: Logger) -> None:
        self._queue_url = queue_url
        self._invoker = invoker
        self._endings = endings
        self._logger = logger
        self._threads = Threads("pgflow lambda failures", 1)
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Read no more."""
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        await self._threads.close()

    async def _keep(self) -> None:
        while True:
            try:
                bodies = await self._threads.run(_LIMIT, self._receive)
            except Exception as error:
                self._logger.warning("the on-failure queue could not be read: %s", said(error))
                await asyncio.sleep(_PAUSE)
                continue
            for external_id, ending in self._failures(bodies):
                self._endings.note(external_id, ending, of_a_copy=True)

    def _failures(self, bodies: list[str]) -> Iterator[tuple[str, Ending]]:
        for body in bodies:
            found = failure_in(body)
            if found is None:
                self._logger.warning("the on-failure queue held a message that tells of no attempt")
            else:
                yield found

    def _receive(self) -> list[str]:
        sqs: SQSClient = self._invoker.ready().sqs(self._queue_url, _WAIT)
        answer = sqs.receive_message(
            QueueUrl=self._queue_url, MaxNumberOfMessages=_BATCH, WaitTimeSeconds=_WAIT
        )
        messages = answer.get("Messages", [])
        if messages:
            entries = [
                {"Id": str(number), "ReceiptHandle": message.get("ReceiptHandle", "")}
                for number, message in enumerate(messages)
            ]
            sqs.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)  # type: ignore[arg-type]
        return [message.get("Body", "") for message in messages]


def failure_in(body: str) -> tuple[str, Ending] | None:
    """Read the record of an on-failure destination: whose attempt ended, and how; None if of nobody's."""
    try:
        record = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not is_object(record):
        return None
    external_id = external_id_of(record.get("requestPayload"))
    if external_id is None:
        return None
    if "responsePayload" in record:
        return external_id, ending_of(record["responsePayload"])
    context = record.get("requestContext")
    condition = context.get("condition") if is_object(context) else None
    return external_id, Ending("EVENT_DROPPED", f"Lambda dropped the event: {condition}")
