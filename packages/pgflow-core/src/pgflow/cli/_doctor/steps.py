"""Whether the deployed steps fit the executors that are configured here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any, cast

from psycopg import Connection

from pgflow.cli._doctor.asking import ask
from pgflow.cli._doctor.findings import Finding
from pgflow.cli._executors import configured_executors
from pgflow.config import Config
from pgflow.database.execute import fetch
from pgflow.database.statements.definitions import StepRow, active_steps
from pgflow.errors import ConfigError, DefinitionError, PluginError
from pgflow.executor import Capability, CheckingSteps, DeployedStep
from pgflow.plugins import ExecutorInstance

__all__ = ["steps"]


def steps(connection: Connection[Any], config: Config) -> Iterator[Finding]:
    """A deployed step cannot run, or may be cut short, on the executor it names."""
    deployed = fetch(connection, active_steps())
    for name, rows in groupby(deployed, key=lambda step: step.executor):
        try:
            (instance,) = configured_executors(config, (name,))
        except (ConfigError, PluginError):
            continue  # served elsewhere, or told by the check of executors
        yield from _of(instance, list(rows))


def _of(instance: ExecutorInstance, rows: Sequence[StepRow]) -> Iterator[Finding]:
    fit: list[DeployedStep] = []
    for row in rows:
        try:
            fit.append(_deployed(instance, row))
        except DefinitionError as error:
            mend = "mend its options and deploy the flow again"
            yield Finding("steps", "error", f"{row.flow_slug}.{row.step_slug}", error.message, mend)
    if fit and Capability.CHECK_STEPS in instance.executor.capabilities:
        yield from ask("steps", instance, lambda executor: cast("CheckingSteps", executor).check_steps(fit))


def _deployed(instance: ExecutorInstance, row: StepRow) -> DeployedStep:
    silence = row.heartbeat_timeout
    return DeployedStep(
        row.flow_slug,
        row.step_slug,
        instance.step_options(json.loads(row.executor_options)),
        timedelta(seconds=row.timeout),
        timedelta(seconds=row.launch_timeout),
        None if silence is None else timedelta(seconds=silence),
    )
