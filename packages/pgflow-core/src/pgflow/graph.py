"""What a flow is once defined: frozen data that renders as the JSON `pgflow.define_flow` takes.

No I/O, no handlers, no types: a definition knows a handler by its reference only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pgflow.errors import DefinitionError

__all__ = ["DEFAULT_OPTIONS", "FlowDefinition", "StepDefinition", "StepType", "check_slug"]

StepType = Literal["single", "map"]

#: What the engine fills in for an option that neither step nor flow gives.
DEFAULT_OPTIONS: Final[Mapping[str, Any]] = {
    "max_attempts": 3,
    "base_delay": 1,
    "max_delay": 300,
    "backoff": "exponential",
    "jitter": 0.1,
    "timeout": 60,
    "start_delay": 0,
    "launch_timeout": 300,
    "heartbeat_timeout": None,
    "when_exhausted": "fail",
    "max_failures": 0,
    "required_input": None,
    "forbidden_input": None,
    "when_unmet": "skip",
    "priority": 0,
}

_SLUG: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SLUG_MAX: Final = 128
_RESERVED: Final = frozenset({"run", "item"})


def check_slug(slug: object, *, flow: str | None = None) -> str:
    """Return `slug` if it may name a flow (or, given `flow`, a step of it), else raise DefinitionError."""
    kind = "flow" if flow is None else "step"
    if not isinstance(slug, str):
        raise DefinitionError(f"a {kind}'s slug is text, not {type(slug).__name__}", flow=flow, option="slug")
    if slug in _RESERVED:
        problem = "is reserved"
    elif len(slug) > _SLUG_MAX:
        problem = f"is longer than {_SLUG_MAX} characters"
    elif not _SLUG.fullmatch(slug):
        problem = "may hold only letters, digits and _ (ASCII), and may not begin with a digit"
    else:
        return slug
    raise DefinitionError(f"the {kind} slug {slug!r} {problem}: give another with slug=", flow=flow)


@dataclass(frozen=True, slots=True)
class StepDefinition:
    """One step of a definition.

    `params` maps a handler's parameter to a dependency's slug, "run", "item" or {"const": value}.
    """

    step_slug: str
    step_type: StepType
    handler: str
    deps: tuple[str, ...] = ()
    map_over: str | None = None
    needs_run_input: bool = False
    params: Mapping[str, Any] | None = None
    executor: str = "local"
    executor_options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> dict[str, Any]:
        """Return the step's object of the definition; what was not given is left out."""
        entry: dict[str, Any] = {"step_slug": self.step_slug, "step_type": self.step_type}
        entry["deps"] = list(self.deps)
        if self.map_over is not None:
            entry["map_over"] = self.map_over
        if self.needs_run_input:
            entry["needs_run_input"] = True
        if self.params is not None:
            entry["params"] = dict(self.params)
        entry["executor"] = self.executor
        if self.executor_options:
            entry["executor_options"] = dict(self.executor_options)
        entry["handler"] = self.handler
        if self.options:
            entry["options"] = dict(self.options)
        return entry


@dataclass(frozen=True, slots=True)
class FlowDefinition:
    """A whole flow; two equal definitions are one version in the database."""

    flow_slug: str
    steps: tuple[StepDefinition, ...]
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    input_schema: Mapping[str, Any] | None = None
    returns: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the definition as `pgflow.define_flow` takes it, in a stable order of keys."""
        document: dict[str, Any] = {"flow_slug": self.flow_slug}
        if self.options:
            document["options"] = dict(self.options)
        if self.input_schema is not None:
            document["input_schema"] = dict(self.input_schema)
        if self.returns is not None:
            document["returns"] = self.returns
        document["steps"] = [step.to_json() for step in self.steps]
        return document
