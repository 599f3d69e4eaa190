"""The executors of this project: whether they can be made, report, and run anything where they launch to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Final, cast

from pgflow.cli._doctor.findings import Finding
from pgflow.cli._executors import configured_executors
from pgflow.config import Config
from pgflow.errors import ConfigError, PluginError
from pgflow.executor import Capability, Checking, ExecutorContext, Hindrance
from pgflow.plugins import ExecutorInstance

__all__ = ["executors"]

_SECONDS: Final = 10.0


def executors(config: Config) -> Iterator[Finding]:
    """An executor of pgflow.toml cannot be made, or could not run anything."""
    for name in config.settings.executors:
        table = f"[executors.{name}]"
        try:
            (instance,) = configured_executors(config, (name,))
            if Capability.RUNS_HERE not in instance.executor.capabilities:
                instance.check_report_target()
        except (ConfigError, PluginError) as error:
            mend = f"mend {table} in {config.file or 'pgflow.toml'}"
            yield Finding("executors", "error", name, str(error), mend)
            continue
        if Capability.CHECK in instance.executor.capabilities:
            try:
                found = asyncio.run(_check(instance))
            except Exception as error:
                mend = f"mend {table}, or tell the makers of executor {instance.executor.name!r}"
                yield Finding("executors", "unknown", name, f"could not look: {error!r}", mend)
            else:
                for each in found:
                    yield Finding("executors", "error", f"{name}: {each.subject}", each.finding, each.mend)


async def _check(instance: ExecutorInstance) -> Sequence[Hindrance]:
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
            return await cast("Checking", executor).check()
        finally:
            await executor.aclose()
