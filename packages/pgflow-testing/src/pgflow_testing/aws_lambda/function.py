"""What is served: a function's configuration, under the names that Lambda gives its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Function"]


@dataclass(frozen=True)
class Function:
    """A function as it is configured; durations are seconds."""

    name: str
    handler: str
    """`module.function`, found in `folder`."""
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    timeout: float = 60.0
    """An invocation that takes longer is killed."""
    memory_mb: int = 512
    """A process that uses more is killed."""
    concurrency: int = 2
    """How many invocations run at once, each in a process of its own; further events wait."""
    maximum_retry_attempts: int = 0
    """How often the queue tries an event again whose function failed; a new function at AWS has 2."""
    retry_delays: Sequence[float] = (60.0, 120.0)
    maximum_event_age: float = 21_600.0
    """An event that waited longer is dropped."""
    isolated: bool = False
    """Nothing but `folder`, the standard library and the runtime client can be imported, as at AWS."""

    @property
    def arn(self) -> str:
        """The name that AWS would give it."""
        return f"arn:aws:lambda:eu-west-1:000000000000:function:{self.name}"
