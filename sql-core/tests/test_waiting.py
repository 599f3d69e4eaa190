"""One session holds something open: who waits, who does not, and what is there when it lets go."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Barrier
from typing import Any

import psycopg
import pytest

from .support.definitions import map_step, step
from .support.engine import Engine, complete_report, fail_report
from .support.sessions import as_client, backend_pid, meanwhile, together, until, until_blocked

Open = Callable[[], Engine]


def one_step_runs(engine: Engine, count: int) -> list[Any]:
    engine.define("f", step("a"), step("b", "a"))
    engine.run_many("f", list(range(count)))
    return engine.claim(count)


def test_an_open_completion_delays_only_its_own_run(engine: Engine, open_engine: Open) -> None:
    """Rule 87: a batch with that run gives up with 55P03; halved, all others are applied."""
    user = open_engine()
    tasks = one_step_runs(engine, 101)
    reports = [complete_report(task) for task in tasks]
    with user.transaction():
        assert user.complete(tasks[50]) == "completed"
        applied = 0
        waiting = [reports]
        refused: list[object] = []
        while waiting:
            batch = waiting.pop()
            try:
                answers = engine.report(batch)
            except psycopg.errors.LockNotAvailable:
                middle = len(batch) // 2
                if middle:
                    waiting += [batch[:middle], batch[middle:]]
                else:
                    refused += batch
            else:
                assert set(answers) == {"completed"}
                applied += len(answers)
        assert applied == 100
        assert refused == [reports[50]]
    assert engine.report(reports[50:51]) == ["duplicate"]


def test_an_exchange_gives_up_on_a_held_run_too(engine: Engine, open_engine: Open) -> None:
    """Rule 87: with 55P03, nothing half done: the same reports are applied afterwards."""
    user = open_engine()
    tasks = one_step_runs(engine, 3)
    with user.transaction():
        user.complete(tasks[0])
        with pytest.raises(psycopg.errors.LockNotAvailable):
            engine.exchange([complete_report(task) for task in tasks], 5)
        assert engine.exchange([complete_report(tasks[1])], 1)[0].status == "completed"
    rows = engine.exchange([complete_report(task) for task in tasks], 5)
    reports = sorted((row for row in rows if row.kind == "report"), key=lambda row: row.ordinal)
    assert [row.status for row in reports] == ["duplicate", "duplicate", "completed"]


def test_a_single_report_waits_for_the_run_and_is_answered(engine: Engine, open_engine: Open) -> None:
    """Rule 87: a report by itself is not a batch: it waits as a row lock would."""
    user = open_engine()
    engine.define("f", step("a"), step("b"), step("end", "a", "b"))
    run_id = engine.run("f")
    tasks = engine.take_all()
    user.rows("begin")
    user.complete(tasks["a"])
    with meanwhile(lambda: engine.complete(tasks["b"])) as answer:
        until_blocked(user, engine)
        user.rows("commit")
    assert answer.result() == "completed"
    assert engine.steps(run_id)["end"] == "running"


def test_items_of_one_map_do_not_wait_for_each_other(engine: Engine, open_engine: Open) -> None:
    """Rule 39: completions that cannot empty the map's counter share the run; the last ones take turns."""
    user = open_engine()
    engine.define("f", map_step("m", "run"))
    run_id = engine.run("f", list(range(200)))
    tasks = engine.claim(200)
    with user.transaction():
        assert user.report(complete_report(task) for task in tasks[:10]) == ["completed"] * 10
        assert engine.report(complete_report(task) for task in tasks[10:16]) == ["completed"] * 6
    assert engine.report(complete_report(task) for task in tasks[16:]) == ["completed"] * 184
    assert engine.status(run_id) == "completed"


def test_claims_pass_by_a_run_that_is_being_cancelled(engine: Engine, open_engine: Open) -> None:
    """DESIGN 3.4: other runs' tasks are claimed meanwhile; if the cancel rolls back, its tasks still are."""
    user = open_engine()
    engine.define("f", step("a"), map_step("m", "run"))
    held = engine.run("f", [1, 2, 3], priority=9)
    others = [engine.run("f", [1]) for _ in range(3)]
    with user.connection.transaction(force_rollback=True):
        assert user.cancel(held) == "cancelled"
        claimed = [task for _ in range(4) for task in engine.claim(2)]
        assert sorted({task.run_id for task in claimed}) == sorted(others)
        assert len(claimed) == 6
        assert engine.claim(5) == []
    assert engine.violations() == []
    again = [task for _ in range(3) for task in engine.claim(10)]
    assert [task.run_id for task in again] == [held] * 4


def test_claims_pass_by_a_run_whose_cancel_commits(engine: Engine, open_engine: Open) -> None:
    """DESIGN 3.4: and then they never come."""
    user = open_engine()
    engine.define("f", step("a"), map_step("m", "run"))
    held = engine.run("f", [1, 2, 3], priority=9)
    engine.run("f", [1])
    with user.transaction():
        user.cancel(held)
        assert len(engine.claim(10)) == 2
    assert engine.claim(10) + engine.claim(10) == []
    assert engine.violations() == []


@pytest.mark.parametrize("verb", ["pause", "release", "fail", "retry_run"])
def test_no_task_is_lost_when_a_verb_beside_a_claim_rolls_back(
    engine: Engine, open_engine: Open, verb: str
) -> None:
    """Rule 71: what a rolled-back transaction touched is claimable afterwards, once."""
    user = open_engine()
    engine.define("f", step("a", base_delay=0), step("b"))
    run_id = engine.run("f")
    task = engine.take("a")
    if verb == "retry_run":
        engine.cancel(run_id)
    with user.connection.transaction(force_rollback=True):
        calls: dict[str, Callable[[], object]] = {
            "pause": lambda: user.rows("select pgflow.pause_run(%s)", run_id),
            "release": lambda: user.release(task),
            "fail": lambda: user.fail(task),
            "retry_run": lambda: user.retry(run_id),
        }
        calls[verb]()
        early = engine.claim(10)
    assert [t.step_slug for t in early] in ([], ["b"])
    late = engine.claim(10) + engine.claim(10)
    expected = [] if verb == "retry_run" else ["b"]
    assert [t.step_slug for t in early + late] == expected
    if verb != "retry_run":
        assert engine.complete(task) == "completed"


def test_a_claim_rolled_back_gives_its_tasks_back_at_once(engine: Engine, open_engine: Open) -> None:
    """Rule 71: no lease outlives the transaction that took it."""
    user = open_engine()
    engine.define("f", step("a"), map_step("m", "run"))
    engine.run("f", [1, 2, 3])
    with user.connection.transaction(force_rollback=True):
        assert len(user.claim(3)) == 3
        assert len(engine.claim(10)) == 1
    again = engine.claim(10)
    assert [task.attempt for task in again] == [1, 1, 1]


def test_a_batch_meets_a_failing_sibling_that_is_not_committed(engine: Engine, open_engine: Open) -> None:
    """Rule 85: the batch waits its short while and is retried; the outcome is one of the two orders."""
    user = open_engine()
    engine.define("f", step("a"), step("b"), step("c", "a"))
    run_id = engine.run("f")
    tasks = engine.take_all()
    with user.transaction():
        assert user.report([fail_report(tasks["b"], retryable=False)]) == ["failed"]
        with pytest.raises(psycopg.errors.LockNotAvailable):
            engine.report([complete_report(tasks["a"])])
    assert engine.report([complete_report(tasks["a"])]) == ["stale"]
    assert engine.steps(run_id) == {"a": "cancelled", "b": "failed", "c": "cancelled"}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("verb", ["run", "claim", "complete"])
def test_a_session_killed_around_its_commit_loses_nothing(
    engine: Engine, open_engine: Open, verb: str, moment: str
) -> None:
    """Rule 71: killed before its commit nothing happened; after it everything did."""
    victim = open_engine()
    engine.define("f", step("a", timeout=100_000), step("b", "a"))
    engine.at(0)
    victim.at(0)
    run_id = engine.run("f")
    task = engine.take("a") if verb == "complete" else None
    calls: dict[str, Callable[[], object]] = {
        "run": lambda: victim.run("f"),
        "claim": lambda: victim.claim(10),
        "complete": lambda: victim.complete(task, 1),
    }
    pid = backend_pid(victim)
    victim.rows("begin")
    calls[verb]()
    if moment == "after":
        victim.rows("commit")
    engine.rows("select pg_terminate_backend(%s)", pid)
    until(lambda: not engine.rows("select 1 from pg_stat_activity where pid = %s", pid))
    victim.connection.close()
    done = moment == "after"
    assert engine.value("select count(*) from pgflow.runs") == (2 if done and verb == "run" else 1)
    if verb == "claim":
        engine.wait(0 if not done else 1000)
        (again,) = engine.claim(10) or engine.claim(10)
        assert again.attempt == (2 if done else 1)
    if verb == "complete":
        assert engine.complete(task, 1) == ("duplicate" if done else "completed")
        assert engine.take("b").run_id == run_id


def test_a_heartbeat_waits_for_nobody(engine: Engine, open_engine: Open) -> None:
    """Rule 24: one open transaction costs no other task its lease, nor the task that it ends."""
    user = open_engine()
    engine.define("f", step("a"), map_step("m", "run"))
    engine.run_many("f", [[1, 2]] * 3)
    tasks = engine.claim(9)
    engine.rows("set lock_timeout = '1s'")
    with user.transaction():
        user.report(complete_report(task) for task in tasks[:2])
        user.cancel(tasks[-1].run_id)
        assert engine.heartbeat(*tasks) == ["ok"] * 9
    answers = engine.heartbeat(*tasks)
    cancelled = [task.run_id == tasks[-1].run_id for task in tasks]
    expected = ["cancel" if dead else "ok" for dead in cancelled]
    assert answers[2:] == expected[2:]
    assert set(answers[:2]) <= {"stale", "cancel"}


def test_maintain_waits_for_nobody(engine: Engine, open_engine: Open) -> None:
    """Rule 70: what it cannot have now it looks at again."""
    user = open_engine()
    engine.define("f", step("a", timeout=100_000))
    for session in (engine, user):
        session.at(0)
    engine.run_many("f", list(range(3)))
    tasks = engine.claim(3)
    engine.at(1000)
    user.at(1000)
    engine.rows("set lock_timeout = '1s'")
    with user.transaction():
        assert user.complete(tasks[0], "late") == "completed"
        engine.maintain(2)
        assert [engine.task(task.run_id, "a").failures for task in tasks] == [0, 1, 1]
    engine.wait(10)
    engine.maintain(2)
    assert engine.status(tasks[0].run_id) == "completed"
    assert engine.outcomes(tasks[0].run_id, "a") == []


def test_a_loss_put_off_by_an_open_transaction_is_noticed_after_it(engine: Engine, open_engine: Open) -> None:
    """Rule 65: a transaction that rolls back hides no expired lease for ever."""
    user = open_engine()
    engine.define("f", step("a", timeout=100_000), map_step("m", "run", timeout=100_000))
    for session in (engine, user):
        session.at(0)
    run_id = engine.run("f", [1])
    tasks = engine.claim(2)
    for session in (engine, user):
        session.at(1000)
    with user.connection.transaction(force_rollback=True):
        user.report(complete_report(task) for task in tasks)
        engine.maintain(2)
        assert engine.claim(10) == []
    engine.wait(10)
    engine.maintain(2)
    assert [engine.outcomes(run_id, slug) for slug in "am"] == [[(1, "lost")]] * 2
    assert len(engine.claim(10)) == 2


def test_the_last_items_of_a_map_in_two_transactions_of_two(engine: Engine, open_engine: Open) -> None:
    """Rule 86: who holds the run shared and needs it alone, as another does, gets 40P01 and tries again."""
    sessions = [open_engine(), open_engine()]
    engine.define("f", map_step("m", "run"), step("end", "m"))
    run_id = engine.run("f", list(range(100)))
    tasks = {task.task_index: task for task in engine.claim(100)}
    # Slots 0 and 1 keep seven items: the shared lock does. Slots 2 and 3 keep one: it must be had alone.
    kept = [[16, 2], [17, 3]]
    left = {index for index in tasks if index % 16 in (0, 1)} | {2, 3}
    engine.report(complete_report(tasks[index]) for index in tasks if index not in left)
    both_hold = Barrier(2)

    def complete_two(session: Engine, items: list[int], tries: list[int]) -> None:
        tries.append(len(tries))
        with session.transaction():
            session.complete(tasks[items[0]])
            if tries == [0]:
                both_hold.wait(20)
            session.complete(tasks[items[1]])

    tries: list[list[int]] = [[], []]
    together(*(
        partial(as_client, partial(complete_two, session, items, tried), retried=["40P01"])
        for session, items, tried in zip(sessions, kept, tries, strict=True)
    ))  # fmt: skip
    assert sorted(map(len, tries)) == [1, 2]
    engine.report(complete_report(tasks[index]) for index in left - {16, 17, 2, 3})
    assert engine.steps(run_id) == {"m": "completed", "end": "running"}
