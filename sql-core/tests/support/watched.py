"""What dispatchers say of launched attempts."""

from __future__ import annotations

from typing import Any

from .engine import Engine, reference


def address(task: Any) -> dict[str, object]:
    return {
        "run_id": str(task.run_id),
        "step_slug": task.step_slug,
        "task_index": task.task_index,
        "attempt": task.attempt,
    }


def seen(task: Any, phase: str, **more: object) -> dict[str, object]:
    return address(task) | {"phase": phase} | more


def record(engine: Engine, task: Any, outcome: str = "accepted", **more: object) -> str:
    (status,) = engine.launches(reference(task) | {"attempt": task.attempt, "outcome": outcome} | more)
    return status
