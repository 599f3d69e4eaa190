"""What is told of a run, line by line, where there is no terminal."""

import io
import uuid
from datetime import UTC, datetime

import pytest
from pgflow.cli._progress import show_progress
from pgflow.client.models import RunProgress, StepProgress
from pgflow.database.statements.runs import AttemptRow
from rich.console import Console


@pytest.mark.parametrize(("kind", "item"), [("map", "item 0, "), ("single", "")])
def test_a_failed_attempt_is_told_with_its_item(kind, item):
    step = StepProgress("price", kind, "running", None, None, 2, 0, 1, False, datetime.now(UTC), None)
    failed = AttemptRow("price", 0, 1, "failed", '{"type": "KeyError", "message": "gold"}')
    told = io.StringIO()
    with show_progress(Console(file=told, width=200)) as progress:
        progress.update(RunProgress(uuid.uuid4(), "running", None, (step,)), {"price": failed})
    assert f"↻ price {item}attempt 1 failed: KeyError: gold\n" in told.getvalue()
