"""What a flow says to run a step in an edge function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Edge"]


@dataclass(frozen=True, slots=True)
class Edge:
    """Runs a step in a Supabase Edge Function: `runs_on=Edge("images")`.

    The Python handler says the types, and stands in for the function in `run_inline`.  `region` runs it in
    another region than the instance's; `mode="sync"` is for steps of a few seconds, whose result comes with
    the answer; `executor_name` is the instance, as `[executors.<name>]` calls it.
    """

    function: str
    region: str | None = None
    executor_name: str = "supabase"
    mode: Literal["background", "sync"] | None = None

    def executor_options(self) -> Mapping[str, Any]:
        """Return what was asked for."""
        asked = {"function": self.function, "region": self.region, "mode": self.mode}
        return {name: value for name, value in asked.items() if value is not None}
