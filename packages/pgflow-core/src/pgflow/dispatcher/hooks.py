"""What plugins do to attempts besides running them: each is asked by itself, and none can do harm."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, get_args

import pluggy

from pgflow.dispatcher.attempts import LiveTask
from pgflow.dispatcher.problems import Problems
from pgflow.executor import (
    Accepted,
    Attempt,
    ExecutorEvent,
    FailureClass,
    LaunchResult,
    Observation,
    Phase,
    Rejected,
    TaskReport,
)

__all__ = ["Hooks"]

_FAILED: Final = object()
_OVER: Final = {Phase.EXITED_OK, Phase.EXITED_ERROR, Phase.NOT_FOUND}
_CLASSES: Final = get_args(FailureClass)


class Hooks:
    """Calls the hooks of `pgflow.hookspecs`; what one raises is logged and counted as HOOK_FAILED."""

    def __init__(self, plugins: Mapping[str, pluggy.PluginManager], problems: Problems) -> None:
        self._plugins = plugins
        self._problems = problems
        self._redacts = self._implement("pgflow_redact")
        self._classify = self._implement("pgflow_classify_failure")
        self._edit = self._implement("pgflow_mutate_launch")
        self._listen = self._implement("pgflow_executor_event")

    def edited(self, executor: str, attempt: Attempt, body: Mapping[str, Any]) -> dict[str, Any]:
        """Let plugins have the last word on what is sent; what one that raises has changed is undone."""
        sent = dict(body)
        for name in self._edit:
            edited = copy.deepcopy(sent)
            told = {"attempt": attempt, "executor": executor, "body": edited}
            if self._call(name, "pgflow_mutate_launch", told) is not _FAILED:
                sent = edited
        return sent

    def launched(self, executor: str, task: LiveTask, result: LaunchResult) -> LaunchResult:
        """Tell of a launch, and redact why it did not go well."""
        if isinstance(result, Accepted):
            self._tell("accepted", executor, task)
            return result
        if self._redacts:
            result = replace(result, reason=self.redacted(result.reason))
        kind = "rejected" if isinstance(result, Rejected) else "unknown"
        self._tell(kind, executor, task, result.reason)
        return result

    def reported(self, executor: str, task: LiveTask, report: TaskReport) -> TaskReport:
        """Tell of a report, and redact what it says of a failure and of the log."""
        if self._redacts:
            error = report.error and {name: self._clean(value) for name, value in report.error.items()}
            tail = report.log_tail and self.redacted(report.log_tail)
            report = replace(report, error=error, log_tail=tail)
        self._tell("reported", executor, task, report.outcome)
        return report

    def observed(self, executor: str, seen: Observation) -> Observation:
        """Let plugins class the end of an attempt, and redact what is said of it."""
        if seen.phase in _OVER:
            for name in self._classify:
                told = {"observation": seen, "executor": executor}
                answer = self._call(name, "pgflow_classify_failure", told)
                if answer in _CLASSES:
                    started = False if answer == "not_started" else seen.started
                    seen = replace(seen, started=started, retryable=answer != "permanent")
                    break
        if self._redacts and (seen.detail or seen.log_tail):
            detail, tail = self._clean(seen.detail), self._clean(seen.log_tail)
            seen = replace(seen, detail=detail, log_tail=tail)
        return seen

    def ended(self, executor: str, seen: Observation) -> None:
        """Tell of an attempt whose end was noticed from outside."""
        self._tell("ended", executor, seen.ref, seen.detail)

    def redacted(self, text: str) -> str:
        """Let each plugin redact what the one before left; what cannot be redacted is not shown."""
        for name in self._redacts:
            answer = self._call(name, "pgflow_redact", {"text": text})
            if isinstance(answer, str):
                text = answer
            elif answer is not None:
                return f"[not shown: plugin {name!r} could not redact it]"
        return text

    def _clean(self, value: Any) -> Any:
        return self.redacted(value) if isinstance(value, str) else value

    def _tell(self, kind: Any, executor: str, of: Any, detail: str | None = None) -> None:
        if self._listen:
            event = ExecutorEvent(
                kind, executor, of.run_id, of.step_slug, of.task_index, of.attempt, of.external_id, detail
            )
            for name in self._listen:
                self._call(name, "pgflow_executor_event", {"event": event})

    def _implement(self, hook: str) -> tuple[str, ...]:
        """Name the plugins that implement a hook."""
        return tuple(
            name for name, manager in self._plugins.items() if getattr(manager.hook, hook).get_hookimpls()
        )

    def _call(self, plugin: str, hook: str, told: Mapping[str, Any]) -> Any:
        """Return what one plugin answers, or _FAILED."""
        try:
            answers = getattr(self._plugins[plugin].hook, hook)(**told)
        except Exception as error:
            self._problems.note("HOOK_FAILED", plugin, f"{hook} raised {type(error).__name__}: {error}")
            return _FAILED
        return answers[0] if answers else None
