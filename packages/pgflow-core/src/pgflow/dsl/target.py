"""Where a step runs: an executor's name and the options it takes, as an object instead of a string."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["RunsOn", "Target"]


class RunsOn(Protocol):
    """What `runs_on=` takes: executor packages give classes for it, such as `Lambda(memory_mb=512)`."""

    @property
    def executor_name(self) -> str:
        """The executor instance as the operator's configuration names it: a property or an attribute."""
        ...

    def executor_options(self) -> Mapping[str, Any]:
        """Return the JSON object that the executor validates as its StepOptions."""
        ...


@dataclass(frozen=True)
class Target:
    """Names an executor instance that has no class of its own: `runs_on=Target("gpu", {"cores": 4})`."""

    executor_name: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def executor_options(self) -> Mapping[str, Any]:
        """Return the options as they were given."""
        return self.options
