"""The executors of this project: whether they can be made, report, and run anything where they launch to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from pgflow.cli._doctor.asking import ask
from pgflow.cli._doctor.findings import Finding
from pgflow.cli._executors import configured_executors
from pgflow.config import Config
from pgflow.errors import ConfigError, PluginError
from pgflow.executor import Capability, Checking

__all__ = ["executors"]


def executors(config: Config) -> Iterator[Finding]:
    """An executor of pgflow.toml cannot be made, or could not run anything."""
    for name in config.settings.executors:
        try:
            (instance,) = configured_executors(config, (name,))
            if Capability.RUNS_HERE not in instance.executor.capabilities:
                instance.check_report_target()
        except (ConfigError, PluginError) as error:
            mend = f"mend [executors.{name}] in {config.file or 'pgflow.toml'}"
            yield Finding("executors", "error", name, str(error), mend)
            continue
        if Capability.CHECK in instance.executor.capabilities:
            yield from ask("executors", instance, lambda executor: cast("Checking", executor).check())
