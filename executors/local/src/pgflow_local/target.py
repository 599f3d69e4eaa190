"""What a flow says to run a step locally."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Local"]


@dataclass(frozen=True, slots=True)
class Local:
    """Runs a step on the dispatcher's own machine: `runs_on=Local()`, or `Local("gpu")` for an instance.

    `isolation="process"` gives each attempt a fresh process; `memory_mb` (which implies it) is the most
    memory of that process and its children, in MiB.  `command` names one of the operator's commands to run in
    place of the handler, which says the types and stands in for the command in `run_inline`.
    """

    executor_name: str = "local"
    isolation: Literal["process"] | None = None
    memory_mb: int | None = None
    command: str | None = None

    def executor_options(self) -> Mapping[str, Any]:
        """Return what was asked for."""
        asked = {"isolation": self.isolation, "memory_mb": self.memory_mb, "command": self.command}
        return {name: value for name, value in asked.items() if value is not None}
