"""`current_task()` and what a task can do."""

import dataclasses
import json
import logging
import sys
import threading
from datetime import UTC, datetime
from uuid import UUID

import pytest
from pgflow import NotInTask, TaskCancelled, current_task
from pgflow.logs import JsonFormatter
from pgflow.runtime import Task
from pgflow.runtime.context import entered
from pgflow.runtime.logs import TaskFields


class Host:
    def __init__(self, *answers):
        self.answers = list(answers)
        self.seen = []

    def heartbeat(self):
        self.seen.append("heartbeat")
        return self.answers.pop(0) if self.answers else "ok"

    def progress(self, done, total, message):
        self.seen.append((done, total, message))


def task(host=None):
    return Task(UUID(int=1), "f", "s", 3, 2, datetime(2026, 1, 1, tzinfo=UTC), 4, host)


def test_outside_a_task_there_is_none():
    with pytest.raises(NotInTask, match=r"`current_task\(\)` works only inside a handler"):
        current_task()


def test_tasks_nest_and_are_left_again():
    outer, inner = task(), task()
    with entered(outer):
        assert current_task() is outer
        with entered(inner):
            assert current_task() is inner
        with entered(None):
            assert current_task() is outer
        assert current_task() is outer
    with pytest.raises(NotInTask):
        current_task()


def test_a_thread_of_the_handler_does_not_know_it():
    seen = []

    def look():
        try:
            current_task()
        except NotInTask as error:
            seen.append(error)

    with entered(task()):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join(10)
    assert len(seen) == 1


def test_heartbeat_asks_the_host():
    host = Host()
    task(host).heartbeat()
    assert host.seen == ["heartbeat"]
    task().heartbeat()


@pytest.mark.parametrize(
    ("answer", "reason"), [("cancel", "was cancelled"), ("stale", "is no longer the current one")]
)
def test_an_attempt_no_longer_wanted_is_told(answer, reason):
    with pytest.raises(TaskCancelled, match=f"attempt 2 of step 's' {reason}"):
        task(Host(answer)).heartbeat()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [((3,), "progress: 3"), ((0.5, 2), "progress: 0.5 of 2"), ((1, 4, "rows"), "progress: 1 of 4 (rows)")],
)
def test_progress_is_logged_shown_and_a_heartbeat(arguments, text, caplog):
    host = Host()
    with caplog.at_level(logging.INFO, "pgflow.task"):
        task(host).progress(*arguments)
    assert [record.message for record in caplog.records] == [text]
    assert host.seen == [(*arguments, None, None)[:3], "heartbeat"]


def test_log_records_name_the_attempt(caplog):
    with caplog.at_level(logging.INFO, "pgflow.task"):
        task().logger.info("hello %s", "you")
    (record,) = caplog.records
    assert record.message == "hello you"
    assert (record.run_id, record.flow, record.step) == (str(UUID(int=1)), "f", "s")
    assert (record.task_index, record.attempt) == (3, 2)


def test_records_of_any_logger_name_the_attempt_while_a_handler_runs(capsys):
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(TaskFields())
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("shop")
    logger.addHandler(handler)
    try:
        with entered(dataclasses.replace(task(), executor="gpu")):
            logger.warning("inside")
            current_task().logger.warning("by the task's logger")
        logger.warning("outside")
    finally:
        logger.removeHandler(handler)
    inside, outside = map(json.loads, capsys.readouterr().out.splitlines())
    named = {
        "run_id": str(UUID(int=1)),
        "flow": "f",
        "step": "s",
        "task_index": 3,
        "attempt": 2,
        "executor": "gpu",
    }
    assert inside == inside | named | {"message": "inside", "level": "warning", "logger": "shop"}
    assert "run_id" not in outside


def test_the_idempotency_key_is_the_same_for_every_attempt():
    first, second = Task(UUID(int=1), "f", "s", 3, 1), Task(UUID(int=1), "f", "s", 3, 2)
    assert first.idempotency_key == second.idempotency_key == f"{UUID(int=1)}/s/3"
    assert first.idempotency_key != Task(UUID(int=1), "f", "s", 4, 1).idempotency_key
