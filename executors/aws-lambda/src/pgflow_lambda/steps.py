"""Compares deployed steps with what Lambda can do for them, for `pgflow doctor`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

from pgflow.executor import DeployedStep, Hindrance

from pgflow_lambda.settings import LambdaSettings, LambdaStepOptions, Target

__all__ = ["check_limits", "event_targets", "targets_of"]

_LONGEST: Final = 898
"""Seconds that an attempt has at most: those of a function, but for two in which it reports."""


def check_limits(settings: LambdaSettings, steps: Iterable[DeployedStep]) -> Iterator[Hindrance]:
    """Say which steps name no function, or may take longer than a function lives."""
    for step in steps:
        name, timeout = f"{step.flow_slug}.{step.step_slug}", step.timeout.total_seconds()
        if _target(settings, step) is None:
            mend = "name one by Lambda(...), or `function` in the executor's settings"
            yield Hindrance(name, "it names no function", mend)
        if timeout > _LONGEST:
            found = f"its timeout is {timeout:g} s, and a function has {_LONGEST} s at most for an attempt"
            yield Hindrance(name, found, "lower its timeout, split it, or run it elsewhere", "warning")


def targets_of(settings: LambdaSettings, steps: Iterable[DeployedStep]) -> set[Target]:
    """Name the functions of steps."""
    return {target for step in steps if (target := _target(settings, step)) is not None}


def event_targets(settings: LambdaSettings, steps: Iterable[DeployedStep]) -> Mapping[Target, float]:
    """Name the functions that events are sent to, with the seconds of their shortest launch timeout."""
    shortest: dict[Target, float] = {}
    for step in steps:
        target, mode = _target(settings, step), cast("LambdaStepOptions", step.options).mode or settings.mode
        if target is not None and mode == "Event":
            patience = step.launch_timeout.total_seconds()
            shortest[target] = min(patience, shortest.get(target, patience))
    return shortest


def _target(settings: LambdaSettings, step: DeployedStep) -> Target | None:
    return Target.of(settings, cast("LambdaStepOptions", step.options))
