"""The folder where the handler of the checks leaves its marks."""

from __future__ import annotations

from pathlib import Path

from pgflow.executor import Attempt

__all__ = ["Marks"]


class Marks:
    """Says what ran, wherever it ran: the remote place shares the file system."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def go(self) -> None:
        """Let handlers that hold go on."""
        (self.folder / "go").touch()

    def started(self, attempt: Attempt) -> list[int]:
        """Return the process ids that began to run the attempt's handler."""
        return self._pids(attempt, "started")

    def done(self, attempt: Attempt) -> list[int]:
        """Return the process ids that ran the attempt's handler to its end."""
        return self._pids(attempt, "done")

    def times_started(self) -> dict[str, int]:
        """Count, for each attempt that anything ran of, how often its handler began."""
        counts: dict[str, int] = {}
        for path in self.folder.glob("*.started"):
            run_id, attempt, *_ = path.name.split(".")
            counts[f"{run_id}.{attempt}"] = counts.get(f"{run_id}.{attempt}", 0) + 1
        return counts

    def _pids(self, attempt: Attempt, event: str) -> list[int]:
        found = self.folder.glob(f"{attempt.run_id}.{attempt.attempt}.*.{event}")
        return [int(path.name.split(".")[2]) for path in found]
