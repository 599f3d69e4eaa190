"""The handler of every check: leaves marks in a folder, so that a test sees when and how often code ran."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import Any

from pgflow.runtime.context import current_task

__all__ = ["work"]


def work(job: dict[str, Any]) -> Any:
    """Mark the start; wait for the folder's file `go` if told to hold; mark the end; return the value."""
    folder, task = Path(job["folder"]), current_task()
    name = f"{task.run_id}.{task.attempt}.{os.getpid()}.{uuid.uuid4().hex}"
    (folder / f"{name}.started").touch()
    while job["hold"] and folder.is_dir() and not (folder / "go").exists():
        time.sleep(0.01)
    (folder / f"{name}.done").touch()
    return job["value"]
