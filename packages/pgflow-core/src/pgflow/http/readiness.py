"""Whether work may be sent here, part by part, each with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgflow.dispatcher import DispatcherStatus

__all__ = ["Part", "dispatcher_parts"]


@dataclass(frozen=True, slots=True)
class Part:
    """One condition of being ready."""

    name: str
    ok: bool
    reason: str


def dispatcher_parts(status: DispatcherStatus) -> Sequence[Part]:
    """Judge a dispatcher: whether it takes tasks, and whether its executors started and may launch.

    Executors whose launches are refused are named; not ready is who has no other, for it can do nothing.
    """
    missing = ", ".join(status.executors_missing)
    started = [lane.executor for lane in status.lanes]
    if status.state == "starting" and missing:
        executors = Part("executors", ok=False, reason=f"not started yet: {missing}")
    elif missing:
        executors = Part("executors", ok=False, reason=f"could not start: {missing}; the log says why")
    else:
        refused = [f"{lane.executor} ({lane.refused})" for lane in status.lanes if lane.refused]
        reason = f"started: {', '.join(started)}" + (
            f"; launches refused: {', '.join(refused)}" if refused else ""
        )
        executors = Part("executors", ok=len(refused) < len(started), reason=reason)
    is_running = status.state == "running"
    accepting = Part("accepting", ok=is_running, reason=_STATES[status.state])
    link = Part(
        "connection",
        ok=status.database_up,
        reason="the dispatcher is connected" if status.database_up else "the dispatcher lost the database",
    )
    return [accepting, executors, link]


_STATES = {
    "starting": "the dispatcher is starting",
    "running": "the dispatcher claims tasks",
    "draining": "the dispatcher is draining: it claims nothing more",
    "stopped": "the dispatcher has stopped",
}
