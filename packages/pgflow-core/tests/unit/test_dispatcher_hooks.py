"""The hooks of plugins: what they may change, and that none of them can do harm."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from uuid import uuid4

import pluggy
import pytest
from pgflow import hookspecs
from pgflow.dispatcher.hooks import Hooks
from pgflow.dispatcher.problems import Problems
from pgflow.executor import Accepted, HandleRef, Observation, Phase, Rejected, TaskReport, Unknown
from pgflow.hookspecs import hookimpl

TASK = SimpleNamespace(run_id=uuid4(), step_slug="work", task_index=0, attempt=1, external_id="x")
REF = HandleRef(TASK.run_id, "work", 0, 1, "x")


@pytest.fixture
def problems():
    return Problems(logging.getLogger("test"))


@pytest.fixture
def hooks(problems):
    """Hooks of plugins named a, b, ...: `hooks({"pgflow_redact": function}, ...)`."""

    def make(*plugins):
        managers = {}
        for name, functions in zip("abcdef", plugins, strict=False):
            manager = managers[name] = pluggy.PluginManager(hookspecs.PROJECT)
            manager.add_hookspecs(hookspecs)
            module = SimpleNamespace(**{hook: hookimpl(function) for hook, function in functions.items()})
            manager.register(module, name)
        return Hooks(managers, problems)

    return make


def fail(*_):
    raise RuntimeError("no")


def raising(hook):
    """A plugin whose hook raises, whatever its arguments are."""
    functions = {
        "pgflow_mutate_launch": lambda attempt, executor, body: fail(body.clear()),
        "pgflow_classify_failure": lambda observation, executor: fail(),
        "pgflow_redact": lambda text: fail(),
        "pgflow_executor_event": lambda event: fail(),
    }
    return {hook: functions[hook]}


def failed(problems):
    return [(problem.kind, problem.subject, problem.count) for problem in problems]


def test_without_plugins_nothing_changes(hooks):
    none = hooks()
    report = TaskReport(TASK.run_id, "work", 0, uuid4(), "fail", error={"message": "m"}, log_tail="t")
    seen = Observation(REF, Phase.EXITED_ERROR, detail="d")
    assert none.edited("e", None, {"a": 1}) == {"a": 1}
    assert none.launched("e", TASK, Rejected("permanent", "r")) == Rejected("permanent", "r")
    assert none.reported("e", TASK, report) is report
    assert none.observed("e", seen) is seen


def test_plugins_edit_one_after_the_other_and_what_a_broken_one_did_is_undone(hooks, problems):
    def add(name):
        return {
            "pgflow_mutate_launch": lambda attempt, executor, body: body["labels"].update({name: executor})
        }

    body = {"labels": {}}
    edited = hooks(add("first"), raising("pgflow_mutate_launch"), add("last")).edited("gpu", None, body)
    assert edited == {"labels": {"first": "gpu", "last": "gpu"}}
    assert body == {"labels": {}}
    assert failed(problems) == [("HOOK_FAILED", "b", 1)]


@pytest.mark.parametrize(
    ("answer", "started", "retryable"),
    [
        ("not_started", False, True),
        ("retryable", None, True),
        ("permanent", None, False),
        (None, None, False),
    ],
)
def test_the_first_that_knows_classes_an_end(hooks, problems, answer, started, retryable):
    classify = {"pgflow_classify_failure": lambda observation, executor: answer}
    later = {"pgflow_classify_failure": lambda observation, executor: None}
    seen = Observation(REF, Phase.EXITED_ERROR, retryable=False)
    classed = hooks(raising("pgflow_classify_failure"), classify, later).observed("e", seen)
    assert (classed.started, classed.retryable) == (started, retryable)
    assert failed(problems) == [("HOOK_FAILED", "a", 1)]


def test_only_an_end_is_classed(hooks):
    classify = {"pgflow_classify_failure": lambda observation, executor: "permanent"}
    seen = Observation(REF, Phase.RUNNING)
    assert hooks(classify).observed("e", seen) == seen


def test_all_that_is_stored_is_redacted_by_each_in_turn(hooks):
    one = {"pgflow_redact": lambda text: text.replace("secret", "s***")}
    none = {"pgflow_redact": lambda text: None}
    two = {"pgflow_redact": lambda text: text.replace("s***", "***")}
    redacting = hooks(one, none, two)
    report = TaskReport(
        TASK.run_id, "work", 0, uuid4(), "fail", error={"message": "secret", "n": 1}, log_tail="a secret"
    )
    cleaned = redacting.reported("e", TASK, report)
    assert (cleaned.error, cleaned.log_tail) == ({"message": "***", "n": 1}, "a ***")
    assert redacting.launched("e", TASK, Unknown("secret")) == Unknown("***")
    seen = redacting.observed("e", Observation(REF, Phase.EXITED_ERROR, detail="secret", log_tail="secret"))
    assert (seen.detail, seen.log_tail) == ("***", "***")


@pytest.mark.parametrize("broken", [raising("pgflow_redact"), {"pgflow_redact": lambda text: 5}])
def test_what_cannot_be_redacted_is_not_shown(hooks, broken):
    told = hooks(broken).launched("e", TASK, Rejected("transient", "a secret"))
    assert told.reason == "[not shown: plugin 'a' could not redact it]"


def test_events_are_told_and_whoever_cannot_hear_them_stops_nobody(hooks, problems):
    heard = []

    def hear(event):
        heard.append(event)

    listening = hooks(raising("pgflow_executor_event"), {"pgflow_executor_event": hear})
    listening.launched("e", TASK, Accepted())
    listening.launched("e", TASK, Rejected("throttled", "busy"))
    listening.launched("e", TASK, Unknown("lost"))
    listening.reported("e", TASK, TaskReport(TASK.run_id, "work", 0, uuid4(), "complete"))
    listening.ended("e", Observation(REF, Phase.EXITED_ERROR, detail="OOM"))
    assert [(event.kind, event.detail) for event in heard] == [
        ("accepted", None),
        ("rejected", "busy"),
        ("unknown", "lost"),
        ("reported", "complete"),
        ("ended", "OOM"),
    ]
    assert {event.external_id for event in heard} == {"x"}
    assert failed(problems) == [("HOOK_FAILED", "a", 5)]
