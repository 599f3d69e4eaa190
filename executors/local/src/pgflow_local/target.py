"""What a flow says to run a step locally."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Local"]


@dataclass(frozen=True, slots=True)
class Local:
    """Runs a step on the dispatcher's own machine: `runs_on=Local()`, or `Local("gpu")` for an instance."""

    executor_name: str = "local"

    def executor_options(self) -> Mapping[str, Any]:
        """Return no options: there are none."""
        return {}
