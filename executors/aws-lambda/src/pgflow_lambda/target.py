"""What a flow says to run a step in a Lambda function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Lambda"]


@dataclass(frozen=True, slots=True)
class Lambda:
    """Runs a step in an AWS Lambda function: `runs_on=Lambda()`, or `Lambda("images", qualifier="live")`.

    `function` is a name or an ARN, `qualifier` a version or an alias; the instance's, unless given.
    `mode="RequestResponse"` holds a connection until a short step has ended, and spares Lambda's queue.
    `executor_name` is the instance, as `[executors.<name>]` calls it.
    """

    function: str | None = None
    qualifier: str | None = None
    mode: Literal["Event", "RequestResponse"] | None = None
    executor_name: str = "lambda"

    def executor_options(self) -> Mapping[str, Any]:
        """Return what was asked for."""
        asked = {"function": self.function, "qualifier": self.qualifier, "mode": self.mode}
        return {name: value for name, value in asked.items() if value is not None}
