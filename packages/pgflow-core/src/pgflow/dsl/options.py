"""The options of steps and flows: their types, their checks and their JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict

from pgflow.errors import DefinitionError

if TYPE_CHECKING:
    from pgflow.dsl.conditions import Condition
    from pgflow.dsl.node import Node
    from pgflow.dsl.target import RunsOn

__all__ = ["FlowOptions", "MapOptions", "Seconds", "StepOptions", "engine_options"]

Seconds: TypeAlias = float | timedelta


class FlowOptions(TypedDict, total=False):
    """Defaults for every step of a flow; durations are seconds or timedeltas."""

    runs_on: RunsOn
    max_attempts: int
    base_delay: Seconds
    max_delay: Seconds
    backoff: Literal["exponential", "fixed"]
    jitter: float
    timeout: Seconds
    start_delay: Seconds
    launch_timeout: Seconds
    heartbeat_timeout: Seconds | None
    when_exhausted: Literal["fail", "skip", "skip_cascade"]
    when_unmet: Literal["skip", "skip_cascade", "fail"]
    priority: int


class StepOptions(FlowOptions, total=False):
    """What one step says for itself, over the flow's defaults."""

    slug: str
    after: Sequence[Node[Any]]
    when: Condition | Node[bool]
    unless: Condition | Node[bool]


class MapOptions(StepOptions, total=False):
    """The options of a map step."""

    max_failures: int


#: The engine's limits: ten years, so that adding a duration to a timestamp cannot overflow.
_LONGEST: Final = 315_360_000
_SHORTEST: Final = 0.000_001


def _integer(least: int, most: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"takes a whole number, not {value!r}")
        if not least <= value <= most:
            raise ValueError(f"takes {least} to {most}, not {value}")
        return value

    return check


def _number(least: float, most: float, what: str = "seconds or a timedelta") -> Callable[[object], float]:
    def check(value: object) -> float:
        number = value.total_seconds() if isinstance(value, timedelta) else value
        if not isinstance(number, int | float) or isinstance(number, bool):
            raise ValueError(f"takes {what}, not {value!r}")
        if not least <= number <= most:
            raise ValueError(f"takes {what} from {least:g} to {most}, not {value!r}")
        return int(number) if number == int(number) else number

    return check


def _optional(check: Callable[[object], float]) -> Callable[[object], float | None]:
    return lambda value: None if value is None else check(value)


def _one_of(*allowed: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        if value not in allowed:
            raise ValueError(f"takes {', '.join(map(repr, allowed))}, not {value!r}")
        return str(value)

    return check


_CHECKS: Final[Mapping[str, Callable[[object], Any]]] = {
    "max_attempts": _integer(1, 1_000_000),
    "base_delay": _number(0, _LONGEST),
    "max_delay": _number(0, _LONGEST),
    "backoff": _one_of("exponential", "fixed"),
    "jitter": _number(0, 100, "a number"),
    "timeout": _number(_SHORTEST, _LONGEST),
    "start_delay": _number(0, _LONGEST),
    "launch_timeout": _number(_SHORTEST, _LONGEST),
    "heartbeat_timeout": _optional(_number(_SHORTEST, _LONGEST)),
    "when_exhausted": _one_of("fail", "skip", "skip_cascade"),
    "max_failures": _integer(0, 1_000_000_000),
    "when_unmet": _one_of("skip", "skip_cascade", "fail"),
    "priority": _integer(-100, 100),
}


def engine_options(
    given: Mapping[str, Any], kind: Any, *, flow: str, step: str | None = None
) -> dict[str, Any]:
    """Return the JSON of those options the engine reads, in a fixed order.

    `kind` is the TypedDict of what may be given.  Raises DefinitionError that names the option.
    """
    known: frozenset[str] = kind.__optional_keys__
    for name in given:
        if name not in known:
            raise DefinitionError(_unknown(name, known), flow=flow, step=step, option=name)
    checked: dict[str, Any] = {}
    for name, check in _CHECKS.items():
        if name in given:
            try:
                checked[name] = check(given[name])
            except ValueError as error:
                raise DefinitionError(str(error), flow=flow, step=step, option=name) from None
    return checked


def _unknown(name: str, known: frozenset[str]) -> str:
    from difflib import get_close_matches  # only on the way to an error

    close = get_close_matches(name, known, n=1)
    mend = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(known))}"
    return f"no such option: {mend}"
