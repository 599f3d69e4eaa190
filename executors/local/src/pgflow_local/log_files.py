"""A file for what each attempt wrote, in a folder a day; old days are deleted."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from logging import Logger
from pathlib import Path

from pgflow.executor import Attempt, TaskReport

from pgflow_local.settings import LocalSettings

__all__ = ["LogFiles"]


class LogFiles:
    """Keeps the whole of what was captured in files, if the operator wants them, and its tail in reports."""

    def __init__(self, settings: LocalSettings, logger: Logger) -> None:
        self._settings = settings.log_files
        self._tail = settings.log_bytes
        self._logger = logger
        self._today: date | None = None
        if self._settings is not None:
            self._settings.folder.mkdir(parents=True, exist_ok=True)

    def keep(self, attempt: Attempt, report: TaskReport) -> TaskReport:
        """Write the attempt's output to its file; returns the report with as much of it as a row may hold."""
        if self._settings is None or not report.log_tail:
            return report
        output = report.log_tail.encode(errors="replace")
        try:
            file = self._folder_of_today() / _name(attempt)
            file.write_bytes(output[-self._settings.max_bytes :])
        except OSError as error:
            self._logger.error("the output of an attempt cannot be kept: %s", error)
            return replace(report, log_tail=_text(output[-self._tail :]) if self._tail else None)
        if len(output) <= self._tail:
            return report
        kept = _text(output[-self._tail :]) if self._tail else ""
        return replace(report, log_tail=f"[... {len(output)} bytes of output are in {file} ...]\n{kept}")

    def _folder_of_today(self) -> Path:
        assert self._settings is not None
        today = datetime.now(UTC).date()
        folder = self._settings.folder / today.isoformat()
        if today != self._today:
            folder.mkdir(parents=True, exist_ok=True)
            self._delete_before(today - timedelta(days=self._settings.keep_days))
            self._today = today
        return folder

    def _delete_before(self, first: date) -> None:
        assert self._settings is not None
        for folder in self._settings.folder.iterdir():
            try:
                day = date.fromisoformat(folder.name)
            except ValueError:  # not ours
                continue
            if day < first:
                shutil.rmtree(folder, ignore_errors=True)


def _name(attempt: Attempt) -> str:
    return f"{attempt.run_id}.{attempt.step_slug}.{attempt.task_index}.{attempt.attempt}.log"


def _text(output: bytes) -> str:
    return output.decode(errors="replace")
