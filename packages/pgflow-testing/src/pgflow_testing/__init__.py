"""For tests: a database each, flows driven to their end with time under control, and a kit for executors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pgflow.inline import run_inline

    from pgflow_testing.asserting import (
        assert_attempts,
        assert_completed,
        assert_failed,
        assert_step_completed,
        assert_step_failed,
        assert_step_skipped,
    )
    from pgflow_testing.driven import Driven, DrivenAttempt, DrivenStep
    from pgflow_testing.driver import CannotEnd, Driver, TimesOut, WorkerDies

__all__ = [
    "CannotEnd",
    "Driven",
    "DrivenAttempt",
    "DrivenStep",
    "Driver",
    "TimesOut",
    "WorkerDies",
    "assert_attempts",
    "assert_completed",
    "assert_failed",
    "assert_step_completed",
    "assert_step_failed",
    "assert_step_skipped",
    "run_inline",
]

#: Loaded at their first use: a session that needs none of them imports neither pgflow nor a driver.
_LAZY = {
    "CannotEnd": "pgflow_testing.driver",
    "Driven": "pgflow_testing.driven",
    "DrivenAttempt": "pgflow_testing.driven",
    "DrivenStep": "pgflow_testing.driven",
    "Driver": "pgflow_testing.driver",
    "TimesOut": "pgflow_testing.driver",
    "WorkerDies": "pgflow_testing.driver",
    "run_inline": "pgflow.inline",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module = importlib.import_module(_LAZY.get(name, "pgflow_testing.asserting"))
    return globals().setdefault(name, getattr(module, name))


def __dir__() -> list[str]:
    return sorted(__all__)
