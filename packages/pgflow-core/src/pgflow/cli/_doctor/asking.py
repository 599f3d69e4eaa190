"""Ask an executor, started for it, what hinders its attempts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from pgflow.cli._doctor.findings import Finding
from pgflow.executor import Executor, ExecutorContext, Hindrance
from pgflow.plugins import ExecutorInstance

__all__ = ["ask"]

_SECONDS: Final = 30.0

Question = Callable[[Executor], Awaitable[Sequence[Hindrance]]]


def ask(check: str, instance: ExecutorInstance, question: Question) -> Iterator[Finding]:
    """Yield what an executor finds, or that it could not look."""
    name = instance.name
    try:
        found = asyncio.run(_answer(instance, question))
    except TimeoutError:
        mend = f"see whether what [executors.{name}] leads to can be reached from here"
        yield Finding(check, "unknown", name, f"could not look: no answer within {_SECONDS:g} s", mend)
    except Exception as error:
        mend = f"mend [executors.{name}], or tell the makers of executor {instance.executor.name!r}"
        yield Finding(check, "unknown", name, f"could not look: {error!r}", mend)
    else:
        for each in found:
            yield Finding(check, each.severity, f"{name}: {each.subject}", each.finding, each.mend)


async def _answer(instance: ExecutorInstance, question: Question) -> Sequence[Hindrance]:
    executor = instance.executor()
    context = ExecutorContext(
        name=instance.name,
        worker_id="pgflow doctor",
        settings=instance.settings,
        logger=logging.getLogger("pgflow.doctor"),
        report=lambda _: None,
        report_to=instance.report_to,
    )
    async with asyncio.timeout(_SECONDS):
        await executor.start(context)
        try:
            return await question(executor)
        finally:
            await executor.aclose()
