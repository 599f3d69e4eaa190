"""Checks where steps run against the executors that are configured here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pgflow.config import Config
from pgflow.errors import DefinitionError
from pgflow.graph import FlowDefinition
from pgflow.plugins import ExecutorInstance, Plugins, configure, load_plugins

__all__ = ["check_steps", "configured_executors"]


def configured_executors(config: Config, names: tuple[str, ...] = ()) -> list[ExecutorInstance]:
    """Make every configured executor, or those named; raises ConfigError."""
    plugins = load_plugins()
    chosen = names or tuple(config.settings.executors)
    return [_instance(plugins, name, config) for name in chosen]


def _instance(plugins: Plugins, name: str, config: Config) -> ExecutorInstance:
    table = config.executor(name)
    return replace(
        configure(plugins, name, table.use, table.settings),
        report_to=table.report_to or config.settings.api.target,
        max_in_flight=table.max_in_flight,
        observe_every=table.observe_every,
    )


def check_steps(definition: FlowDefinition, config: Config) -> Iterator[str]:
    """Yield a warning for each step whose executor is not configured here.

    Raises DefinitionError for step options that a configured executor refuses.
    """
    known = {executor.name: executor for executor in configured_executors(config)}
    for step in definition.steps:
        instance = known.get(step.executor)
        if instance is None:
            yield (
                f"step {step.step_slug!r} runs on {step.executor!r}, which is not configured here:"
                " it waits until a dispatcher serves that executor"
            )
            continue
        try:
            instance.step_options(step.executor_options)
        except DefinitionError as error:
            raise DefinitionError(error.message, flow=definition.flow_slug, step=step.step_slug) from None
