"""Mode launch: tasks handed on to another place, and the handshake from there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from .support.definitions import map_step, step
from .support.engine import Engine, reference


def launched(task: Any, outcome: str, **more: object) -> dict[str, object]:
    return reference(task) | {"outcome": outcome} | more


@pytest.fixture
def remote(engine: Engine) -> Engine:
    """An engine at second 0 with the flow `f` of one step `a`, launch_timeout 100 s, timeout 50 s."""
    engine.define("f", step("a", launch_timeout=100, timeout=50, max_attempts=2))
    engine.at(0)
    return engine


def due(engine: Engine, **arguments: Any) -> Any:
    """Claim the one task whose launch failed, whenever it is ready again."""
    engine.wait(400)
    return (engine.claim(1, mode="launch", **arguments) or engine.claim(1, mode="launch", **arguments))[0]


def test_an_accepted_launch_keeps_its_handle(remote: Engine) -> None:
    """DESIGN 3.3: still claimed, until the handshake or the launch deadline."""
    run_id = remote.run("f")
    task = remote.take(mode="launch")
    assert remote.launches(launched(task, "accepted", external_id="arn:1")) == ["accepted"]
    stored = remote.task(run_id, "a")
    assert (stored.status, stored.external_id) == ("claimed", "arn:1")
    assert remote.begin(task).status == "started"
    assert remote.task(run_id, "a").external_id == "arn:1"
    assert remote.complete(task) == "completed"


def test_a_task_to_be_launched_has_a_handle_of_its_own_at_once(engine: Engine) -> None:
    """DESIGN 5: who can look for an unknown launch looks by name: one per attempt, known beforehand."""
    engine.define("f", map_step("m", "run"))
    run_id = engine.run("f", list(range(50)))
    first = engine.claim(50, mode="launch")
    assert [t.external_id for t in engine.tasks(run_id)] == [t.external_id for t in first]
    engine.release(*first)
    second = engine.claim(50, mode="launch")
    assert len({t.external_id for t in first + second} - {None}) == 100
    engine.release(*second)
    assert {t.external_id for t in engine.claim(50)} == {None}


def test_an_unknown_launch_waits_for_its_deadline(remote: Engine) -> None:
    """DESIGN 5: nobody re-launches it meanwhile."""
    run_id = remote.run("f")
    task = remote.take(mode="launch")
    assert remote.launches(launched(task, "unknown", reason="timed out")) == ["unknown"]
    assert remote.task(run_id, "a").status == "claimed"
    assert remote.claim(10) == []
    assert remote.begin(task).status == "started"


def test_a_throttled_launch_costs_nothing_and_waits_as_told(remote: Engine) -> None:
    """CONTRACT: requeued after retry_after_seconds, no budget, however often."""
    run_id = remote.run("f")
    for attempt in range(1, 9):
        now = remote.wait(1000)
        task = remote.take(mode="launch")
        assert task.attempt == attempt
        answer = remote.launches(
            launched(task, "rejected", kind="throttled", reason="429", retry_after_seconds=20)
        )
        assert answer == ["requeued"]
        stored = remote.task(run_id, "a")
        assert (stored.status, stored.failures, stored.launch_failures) == ("queued", 0, 0)
        assert stored.visible_at == now + timedelta(seconds=20)
    assert remote.claim(10, mode="launch") == []


def test_a_transient_rejection_is_a_launch_failure(remote: Engine) -> None:
    """Rule 66: launch_failures + 1, failures untouched; after 5: failed, LAUNCH_FAILED."""
    run_id = remote.run("f")
    for count in range(1, 5):
        task = due(remote)
        assert remote.launches(launched(task, "rejected", kind="transient", reason="502")) == ["requeued"]
        stored = remote.task(run_id, "a")
        assert (stored.failures, stored.launch_failures) == (0, count)
    assert remote.launches(launched(due(remote), "rejected", kind="transient", reason="502")) == ["failed"]
    assert remote.stored_run(run_id).error["code"] == "LAUNCH_FAILED"
    assert remote.outcomes(run_id, "a") == [(n, "launch_failed") for n in range(1, 6)]


def test_a_permanent_rejection_fails_at_once(remote: Engine) -> None:
    """CONTRACT: kind permanent."""
    run_id = remote.run("f")
    task = remote.take(mode="launch")
    assert remote.launches(launched(task, "rejected", kind="permanent", reason="413 too large")) == ["failed"]
    assert remote.status(run_id) == "failed"
    error = remote.stored_run(run_id).error
    assert error["code"] == "LAUNCH_FAILED"
    assert "413 too large" in error["message"]
    assert remote.complete(task) == "stale"


def test_an_operator_rejection_consumes_nothing(remote: Engine) -> None:
    """CONTRACT: the executor is paused until the operator has mended it."""
    run_id = remote.run("f")
    for _ in range(7):
        assert remote.launches(launched(due(remote), "rejected", kind="operator", reason="403")) == [
            "requeued"
        ]
        assert remote.claim(10, mode="launch") == []
        remote.rows("select pgflow.resume_executor('local')")
    stored = remote.task(run_id, "a")
    assert (stored.status, stored.failures, stored.launch_failures) == ("queued", 0, 0)


def test_a_launch_never_started_goes_back_to_the_queue(remote: Engine) -> None:
    """Rule 66: after launch_timeout; launch_failures + 1, failures untouched; after 5: LAUNCH_FAILED."""
    run_id = remote.run("f")
    for count in range(1, 6):
        task = due(remote)
        assert (task.attempt, task.failures) == (count, 0)
        remote.wait(99)
        remote.maintain()
        assert remote.task(run_id, "a").status == "claimed"
        remote.wait(2)
        remote.maintain()
        assert remote.outcomes(run_id, "a")[-1] == (count, "launch_failed")
        assert remote.begin(task).status == "stale"
        assert remote.complete(task) == "stale"
    assert remote.status(run_id) == "failed"
    assert remote.stored_run(run_id).error["code"] == "LAUNCH_FAILED"


def test_an_item_has_its_own_budgets_of_launches_and_of_failures(engine: Engine) -> None:
    """Rule 66: four launches in vain between two failures cost neither the items beside it nor each other."""
    engine.define("f", map_step("m", "run", launch_timeout=100, timeout=50, max_attempts=3))
    engine.at(0)
    run_id = engine.run("f", [0, 1])
    assert engine.complete(engine.take("m")) == "completed"
    assert engine.fail(engine.take("m")) == "retrying"
    for count in range(1, 5):
        due(engine)
        engine.wait(101)
        engine.maintain()
        stored = engine.task(run_id, "m", 1)
        assert (stored.status, stored.failures, stored.launch_failures) == ("queued", 1, count)
    task = due(engine)
    engine.begin(task)
    assert engine.fail(task) == "retrying"
    stored = engine.task(run_id, "m", 1)
    assert (stored.failures, stored.launch_failures, stored.attempt) == (2, 4, 6)
    due(engine)
    engine.wait(101)
    engine.maintain()
    assert engine.task(run_id, "m", 1).error["code"] == "LAUNCH_FAILED"
    assert [t.launch_failures for t in engine.tasks(run_id)] == [0, 5]
    assert engine.status(run_id) == "failed"


def test_the_first_instance_of_an_item_wins(engine: Engine) -> None:
    """Rule 68: of each item and of each attempt by itself."""
    engine.define("f", map_step("m", "run", base_delay=0))
    engine.at(0)
    engine.run("f", [0, 1])
    left, right = engine.claim(2, mode="launch")
    assert [engine.begin(left, place).status for place in ("one", "two", "one")] == [
        "started", "conflict", "started",
    ]  # fmt: skip
    assert engine.begin(right, "two").status == "started"
    assert engine.fail(left) == "retrying"
    again = due(engine)
    assert engine.begin(left, "one").status == "stale"
    assert [engine.begin(again, place).status for place in ("two", "one")] == ["started", "conflict"]


def test_a_permanent_launch_failure_follows_when_exhausted(engine: Engine) -> None:
    """Rule 66: failed as any other task fails."""
    engine.define("f", step("a", when_exhausted="skip"), step("b", "a"))
    run_id = engine.run("f")
    task = engine.take(mode="launch")
    assert engine.launches(launched(task, "rejected", kind="permanent", reason="no")) == ["failed"]
    assert engine.step(run_id, "a").skip_reason == "handler_failed"
    assert engine.take("b").input == {}


def test_launches_are_answered_in_order_each_by_itself(engine: Engine) -> None:
    """CONTRACT: stale for what is not this attempt's any more."""
    engine.define("f", step("a"), map_step("m", "run"))
    run_id = engine.run("f", [0, 1, 2])
    tasks = {f"{t.step_slug}{t.task_index}": t for t in engine.claim(10, mode="launch")}
    engine.release(tasks["m0"])
    engine.complete(tasks["m1"])
    answers = engine.launches(
        launched(tasks["m0"], "accepted", external_id="x"),
        launched(tasks["m1"], "rejected", kind="throttled"),
        launched(tasks["m2"], "accepted", external_id="y"),
        launched(tasks["a0"], "unknown"),
        launched(tasks["a0"]._replace(attempt_token=run_id), "rejected", kind="permanent"),
    )
    assert answers == ["stale", "stale", "accepted", "unknown", "stale"]
    assert [t.external_id == "y" for t in engine.tasks(run_id)] == [False, False, False, True]
    assert "x" not in [t.external_id for t in engine.tasks(run_id)]
    assert engine.status(run_id) == "running"


def test_a_launch_of_a_bad_shape_costs_the_others_nothing(engine: Engine) -> None:
    """CONTRACT: `invalid` for it alone; the task waits for its launch deadline."""
    engine.define("f", map_step("m", "run"))
    run_id = engine.run("f", list(range(8)))
    tasks = engine.claim(8, mode="launch")
    answers = engine.launches(
        launched(tasks[0], "rejected", kind="tired"),
        launched(tasks[1], "rejected"),
        launched(tasks[2], "vanished"),
        launched(tasks[3], "rejected", kind="throttled", retry_after_seconds="soon"),
        launched(tasks[4], "rejected", kind="throttled", retry_after_seconds=-1),
        launched(tasks[5], "accepted", external_id="x" * 1001),
        5,
        {"run_id": "?"},
        launched(tasks[6], "accepted", external_id="y"),
        launched(tasks[7], "rejected", kind="permanent"),
    )
    assert answers == [*["invalid"] * 8, "accepted", "failed"]
    assert engine.status(run_id) == "failed"


def test_an_accepted_launch_that_already_started_keeps_its_handle(remote: Engine) -> None:
    """DESIGN 3.3: the answer of the remote place may arrive after its task's handshake, or its report."""
    run_id = remote.run("f")
    task = remote.take(mode="launch")
    assert remote.begin(task).status == "started"
    assert remote.launches(launched(task, "accepted", external_id="arn:2")) == ["accepted"]
    stored = remote.task(run_id, "a")
    assert (stored.status, stored.external_id) == ("running", "arn:2")


def test_a_rejection_of_a_task_that_already_started_changes_nothing(remote: Engine) -> None:
    """DESIGN 3.3: what runs was launched, whatever the launcher believes; nothing changes."""
    run_id = remote.run("f")
    task = remote.take(mode="launch")
    remote.begin(task)
    assert remote.launches(launched(task, "rejected", kind="permanent", reason="x")) in (
        ["stale"],
        ["accepted"],
    )
    assert remote.task(run_id, "a").status == "running"
    assert remote.complete(task) == "completed"


def test_the_first_instance_wins(remote: Engine) -> None:
    """Rule 68: the same may ask again, another gets `conflict`."""
    run_id = remote.run("f", {"x": 1})
    task = remote.take(mode="launch")
    now = remote.at(10)
    first = remote.begin(task, "one")
    assert (first.status, first.input) == ("started", {})
    assert first.lease_expires_at == now + timedelta(seconds=60)
    assert remote.task(run_id, "a").status == "running"
    assert remote.task(run_id, "a").started_at == now
    other = remote.begin(task, "two")
    assert (other.status, other.input) == ("conflict", None)
    remote.at(15)
    again = remote.begin(task, "one")
    assert (again.status, again.input) == ("started", {})
    assert remote.task(run_id, "a").started_at == now
    assert remote.complete(task) == "completed"
    assert remote.begin(task, "one").status == "stale"


@pytest.mark.parametrize("kind", ["single", "map"])
def test_a_heartbeat_after_the_handshake_is_good_for_the_heartbeat_timeout(engine: Engine, kind: str) -> None:
    """Rule 24: whatever lease it asks for; without one it takes nothing from the lease there is."""
    for slug, more, left in (("beats", {"heartbeat_timeout": 40}, 40), ("plain", {}, 500)):
        options = {"timeout": 500, **more}
        made = step("a", **options) if kind == "single" else map_step("a", "run", **options)
        engine.define(slug, made)
        now = engine.at(0)
        run_id = engine.run(slug, [1])
        task = engine.take(mode="launch")
        engine.begin(task)
        now = engine.at(10)
        assert engine.heartbeat(task, lease=5) == ["ok"]
        assert engine.task(run_id, "a").lease_expires_at == now + timedelta(seconds=left)


@pytest.mark.parametrize("kind", ["single", "map"])
def test_a_heartbeat_never_shortens_a_lease(engine: Engine, kind: str) -> None:
    """Rule 24: two beats that overtake each other leave the longer lease."""
    engine.define("f", step("a") if kind == "single" else map_step("a", "run"))
    now = engine.at(0)
    run_id = engine.run("f", [1])
    task = engine.take(lease=100)
    assert engine.heartbeat(task, lease=30) == ["ok"]
    assert engine.task(run_id, "a").lease_expires_at == now + timedelta(seconds=100)


def test_the_lease_after_the_handshake_is_the_heartbeat_timeout_if_there_is_one(engine: Engine) -> None:
    """DESIGN 3.3: else timeout + 10 s."""
    engine.define(
        "f", step("beats", heartbeat_timeout=15, timeout=500), map_step("plain", "run", timeout=500)
    )
    now = engine.at(0)
    run_id = engine.run("f", [1])
    leases = {t.step_slug: engine.begin(t).lease_expires_at - now for t in engine.claim(2, mode="launch")}
    assert leases == {"beats": timedelta(seconds=15), "plain": timedelta(seconds=510)}
    engine.at(16)
    engine.maintain()
    assert engine.outcomes(run_id, "beats") == [(1, "lost")]
    assert engine.outcomes(run_id, "plain") == []
    engine.at(501)  # by the timeout, not only when the lease ends
    engine.maintain()
    assert engine.outcomes(run_id, "plain") == [(1, "timed_out")]


def test_the_timeout_counts_from_the_handshake_however_far_the_launch_deadline_is(engine: Engine) -> None:
    """Rule 67: nobody has looked at the task since, nor was due to."""
    engine.define("f", step("a", timeout=50, launch_timeout=1000))
    engine.at(0)
    run_id = engine.run("f")
    task = engine.take(mode="launch")
    engine.at(10)
    engine.begin(task)
    engine.at(61)
    engine.maintain()
    assert engine.outcomes(run_id, "a") == [(1, "timed_out")]


def test_a_lease_missed_after_the_handshake_is_lost(remote: Engine) -> None:
    """Rule 65: it did start, so it is a failure and no launch failure."""
    run_id = remote.run("f")
    task = remote.take(mode="launch")
    remote.begin(task)
    remote.wait(1000)
    remote.maintain()
    stored = remote.task(run_id, "a")
    assert (stored.failures, stored.launch_failures, stored.status) == (1, 0, "queued")
    assert remote.outcomes(run_id, "a")[0][1] in ("lost", "timed_out")


def test_a_retry_forgets_instance_and_handle(remote: Engine) -> None:
    """Rule 68: each attempt has its own first instance."""
    run_id = remote.run("f")
    task = remote.take(mode="launch")
    remote.launches(launched(task, "accepted", external_id="arn:1"))
    remote.begin(task, "one")
    assert remote.fail(task) == "retrying"
    assert remote.attempts(run_id, "a")[0].external_id == "arn:1"
    again = due(remote)
    assert again.external_id not in ("arn:1", task.external_id)
    assert remote.task(run_id, "a").external_id == again.external_id
    assert remote.begin(again, "two").status == "started"
    assert remote.begin(task, "one").status == "stale"


def test_a_started_task_gets_its_whole_input(engine: Engine) -> None:
    """Rule 22: at the handshake as at the claim; map items too."""
    engine.define("f", step("a"), map_step("m", "run", "a", needs_run_input=True))
    engine.run("f", ["x", None])
    engine.complete(engine.take("a"), {"k": 1})
    for task in engine.claim(2, mode="launch", inputs="none"):
        expected = {"item": ["x", None][task.task_index], "a": {"k": 1}, "run": ["x", None]}
        assert engine.begin(task).input == expected


def test_launch_budget_is_not_failure_budget(remote: Engine) -> None:
    """DESIGN 3.3: two budgets; neither eats the other."""
    run_id = remote.run("f")
    for _ in range(4):
        remote.launches(launched(due(remote), "rejected", kind="transient"))
    task = due(remote)
    remote.begin(task)
    assert remote.fail(task) == "retrying"
    assert (remote.task(run_id, "a").failures, remote.task(run_id, "a").launch_failures) == (1, 4)
    task = due(remote)
    remote.begin(task)
    assert remote.fail(task) == "failed"


def test_a_launched_task_may_report_without_handshake(remote: Engine) -> None:
    """Rule 27: claimed is enough, for completion and failure."""
    remote.run("f")
    assert remote.fail(remote.take(mode="launch")) == "retrying"
    assert remote.complete(due(remote)) == "completed"
