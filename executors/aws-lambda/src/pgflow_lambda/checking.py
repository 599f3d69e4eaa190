"""Looks at a function as Lambda has it configured, for what would harm PGFlow's tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from logging import Logger
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from pgflow.executor import Hindrance, Rejected

from pgflow_lambda.answers import judge, said, unsent
from pgflow_lambda.clients import Clients, NoCredentials
from pgflow_lambda.invoking import Invoker
from pgflow_lambda.settings import Target
from pgflow_lambda.threads import Threads

__all__ = ["Examiner"]

_SECONDS: Final = 30.0
_LAMBDAS_RETRIES: Final = 2
_LAMBDAS_EVENT_AGE: Final = 21_600
_LEAST_EVENT_AGE: Final = 60
"""What Lambda has for functions without a configuration of their own, and the least it takes; seconds."""


class Examiner:
    """Looks at functions in the background, once each, and writes to the log what it finds."""

    def __init__(self, invoker: Invoker, threads: Threads, logger: Logger) -> None:
        self._invoker = invoker
        self._threads = threads
        self._logger = logger
        self._seen: set[Target] = set()
        self._under_way: set[asyncio.Task[None]] = set()

    def examine(self, target: Target, launch_timeout: float) -> None:
        """Look at a function that events are sent to, unless that was done before."""
        if target not in self._seen:
            self._seen.add(target)
            task = asyncio.create_task(self._warn(target, launch_timeout))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def found(
        self, target: Target, *, events: bool, launch_timeout: float | None = None
    ) -> Sequence[Hindrance]:
        """Return what there is to say of a function; of the age of events, if a launch's timeout is known."""
        await self.close()  # what it would write to the log is returned

        def look() -> list[Hindrance]:
            clients = self._invoker.ready()
            found = list(_invocable(clients, target))
            return found or (list(_asynchronous(clients, target, launch_timeout)) if events else [])

        try:
            return await self._threads.run(_SECONDS, look)
        except NoCredentials as error:
            refused = unsent(error.reason)
            return [Hindrance(target.function, refused.reason, "mend the credentials of the dispatcher")]
        except (BotoCoreError, ClientError) as error:
            mend = "allow lambda:GetFunctionEventInvokeConfig, or see to the settings of events yourself"
            finding = f"how it treats events cannot be read: {said(error)}"
            return [Hindrance(target.function, finding, mend, "warning")]

    async def close(self) -> None:
        """Look no further."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _warn(self, target: Target, launch_timeout: float) -> None:
        def look() -> list[Hindrance]:
            return list(_asynchronous(self._invoker.ready(), target, launch_timeout))

        try:
            for each in await self._threads.run(_SECONDS, look):
                self._logger.warning("function %s: %s; mend: %s", each.subject, each.finding, each.mend)
        except Exception as error:
            self._logger.info("function %s: not examined: %s", target.function, said(error))


def _invocable(clients: Clients, target: Target) -> Iterator[Hindrance]:
    """Have Lambda say whether it would invoke the function; nothing runs."""
    try:
        clients.event.invoke(**target.parameters(), InvocationType="DryRun")
    except Exception as error:
        verdict = judge(error)
        mend = "mend `function`, `qualifier` and `region`, or the policy of the credentials"
        if not isinstance(verdict, Rejected):
            mend = "try again, or look at the status of Lambda"
        yield Hindrance(target.function, f"it cannot be invoked: {said(error)}", mend)


def _asynchronous(clients: Clients, target: Target, launch_timeout: float | None) -> Iterator[Hindrance]:
    """Compare what Lambda does with events that fail or wait with what the core does with launches.

    Raises botocore's errors if it may not be read.
    """
    try:
        config = clients.event.get_function_event_invoke_config(**target.parameters())
        retries = config.get("MaximumRetryAttempts", _LAMBDAS_RETRIES)
        age = config.get("MaximumEventAgeInSeconds", _LAMBDAS_EVENT_AGE)
    except ClientError as error:
        told = error.response.get("Error", {})
        if told.get("Code") != "ResourceNotFoundException" or "Function not found" in told.get("Message", ""):
            raise
        retries, age = _LAMBDAS_RETRIES, _LAMBDAS_EVENT_AGE
    mend = f"aws lambda put-function-event-invoke-config --function-name {target.function}"
    if target.qualifier is not None:
        mend += f" --qualifier {target.qualifier}"
    if retries:
        yield Hindrance(
            target.function,
            f"Lambda runs an event that failed {retries} more times, beside the attempts of PGFlow",
            f"{mend} --maximum-retry-attempts 0",
            "warning",
        )
    if launch_timeout is None:
        return
    longest = max(_LEAST_EVENT_AGE, round(launch_timeout))
    if age > longest:
        yield Hindrance(
            target.function,
            f"Lambda keeps an event for {age} s, and a launch has {launch_timeout:g} s to start: "
            "later it is run for nothing",
            f"{mend} --maximum-event-age-in-seconds {longest}",
            "warning",
        )
