"""What `drive` makes of flows: results, failures, time that nobody waits for."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from pgflow import (
    Client,
    Node,
    NonRetryable,
    RetryAfter,
    RunCancelled,
    RunFailed,
    RunNotFound,
    TaskCancelled,
    contains,
    current_task,
    flow,
    map_step,
    run_inline,
    step,
)
from pgflow_testing import (
    CannotEnd,
    Driver,
    TimesOut,
    WorkerDies,
    assert_attempts,
    assert_completed,
    assert_failed,
    assert_step_completed,
    assert_step_failed,
    assert_step_skipped,
)


@dataclass
class Order:
    items: list[str]
    express: bool = False


def list_items(order: Order) -> list[str]:
    return order.items


def price(item: str) -> float:
    return {"tea": 3.5, "cake": 4.0}[item]


async def total(prices: list[float]) -> float:
    await asyncio.sleep(0)
    return sum(prices)


def hurry(order: Order) -> str:
    return f"{len(order.items)} in a hurry"


@flow
def shop(order: Node[Order]) -> Node[float]:
    step(hurry, order, when=contains(order, {"express": True}))
    return step(total, map_step(price, step(list_items, order), max_attempts=2))


def answer() -> str:
    return "yes"


@flow
def patient() -> Node[str]:
    return step(answer, max_attempts=4, base_delay=600, max_delay=100_000, jitter=0, timeout=120)


def test_a_flow_runs_to_its_end_with_types(drive: Driver):
    driven = drive(shop, Order(["tea", "cake"]))
    result: float = driven.result
    assert (result, driven.status) == (7.5, "completed")
    assert_completed(driven, 7.5)
    assert_step_completed(driven, "price", [3.5, 4.0])
    assert_step_skipped(driven, "hurry", reason="condition_unmet")
    assert_attempts(driven, "price", "completed", item=1)
    assert_attempts(driven, "hurry")
    assert driven.step("list_items").output == ["tea", "cake"]


def test_a_failure_is_told_with_its_attempts(drive: Driver):
    driven = drive(shop, Order(["tea", "gold"]))
    assert_failed(driven, step="price", code="HANDLER_ERROR", match="gold")
    assert_step_failed(driven, "price", code="HANDLER_ERROR")
    assert_attempts(driven, "price", "failed", "failed", item=1)
    with pytest.raises(RunFailed, match="KeyError"):
        _ = driven.result


def test_waits_take_no_time_and_are_counted(drive: Driver):
    tries = Mock(side_effect=[OSError("1"), OSError("2"), OSError("3"), "at last"])
    began = time.monotonic()
    driven = drive(patient, None, handlers={"answer": tries})
    assert_completed(driven, "at last")
    assert_attempts(driven, "answer", "failed", "failed", "failed", "completed")
    assert timedelta(seconds=600 + 1200 + 2400) <= driven.took < timedelta(seconds=4300)
    assert time.monotonic() - began < 600


def test_a_start_in_the_future_comes_at_once(drive: Driver):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    driven = drive(patient, None, start_at=tomorrow)
    assert_completed(driven)
    assert driven.step("answer").attempts[0].started_at >= tomorrow
    assert drive.now >= tomorrow


def test_retry_after_is_obeyed(drive: Driver):
    driven = drive(patient, None, handlers={"answer": Mock(side_effect=[RetryAfter(7200), "yes"])})
    assert timedelta(hours=2) <= driven.took < timedelta(hours=2, minutes=1)


def test_an_attempt_that_times_out_ends_at_its_time_out(drive: Driver):
    driven = drive(patient, None, handlers={"answer": Mock(side_effect=[TimesOut, "yes"])})
    first, second = driven.step("answer").attempts
    assert (first.error["code"], second.outcome) == ("TIMEOUT", "completed")
    assert first.ended_at - first.started_at == timedelta(seconds=120)


def test_a_worker_that_dies_loses_its_attempt(drive: Driver):
    driven = drive(patient, None, handlers={"answer": Mock(side_effect=[WorkerDies, "yes"])})
    assert_completed(driven, "yes")
    assert_attempts(driven, "answer", "lost", "completed")


def test_a_stand_in_keeps_the_types_and_may_have_other_names(drive: Driver):
    seen = []

    async def fake(anything):
        seen.append(anything)
        return ["tea", "tea"]

    assert drive(shop, Order(["gold"]), handlers={"list_items": fake}).result == 7.0
    assert seen == [Order(["gold"])]


def test_a_stand_in_of_another_type_is_refused(drive: Driver):
    driven = drive(shop, Order(["tea"]), handlers={"price": lambda item: "much"})
    assert_failed(driven, step="price", code="OUTPUT_INVALID")


def test_a_stand_in_for_no_step_is_refused(drive: Driver):
    with pytest.raises(ValueError, match="has no step 'pryce'; did you mean 'price'"):
        drive(shop, Order([]), handlers={"pryce": price})
    with pytest.raises(ValueError, match="has no step 'x'; it has"):
        run_inline(shop, Order([]), handlers={"x": price})


def test_stand_ins_work_without_a_database():
    free = Mock(return_value=0.0)
    assert run_inline(shop, Order(["gold", "silver"]), handlers={"price": free}) == 0.0
    assert [call.kwargs for call in free.mock_calls] == [{"item": "gold"}, {"item": "silver"}]


async def test_a_flow_is_driven_from_within_an_event_loop(drive: Driver):
    assert drive(shop, Order(["tea"])).result == 3.5


def test_what_cannot_be_stored_fails_its_step(drive: Driver):
    driven = drive(patient, None, handlers={"answer": lambda: "nul \0"})
    assert_failed(driven, step="answer", code="OUTPUT_INVALID")


def test_a_run_that_somebody_else_started_is_finished(drive: Driver, pgflow_database):
    with Client(pgflow_database) as client:
        client.deploy(shop)
        run_id = client.start(shop, Order(["cake"])).run_id
        driven = drive.finish(shop, run_id)
        assert driven.result == 4.0
        client.retry(run_id, from_step="total")
        assert_attempts(drive.finish(shop, run_id), "total", "completed", "completed")
    with pytest.raises(RunNotFound):
        drive.finish(shop, "00000000-0000-7000-8000-000000000000")


def test_a_handler_learns_of_a_cancellation(drive: Driver, pgflow_database):
    def cancelling() -> str:
        with Client(pgflow_database) as client:
            client.cancel(current_task().run_id, "enough")
        with pytest.raises(TaskCancelled):
            current_task().heartbeat()
        return "too late"

    driven = drive(patient, None, handlers={"answer": cancelling})
    assert driven.status == "cancelled"
    with pytest.raises(RunCancelled, match="enough"):
        _ = driven.result


def test_progress_reaches_the_database(drive: Driver, pgflow_database):
    seen = []

    def telling() -> str:
        current_task().progress(3, 4, "nearly")
        with Client(pgflow_database) as client:
            seen.append(client.get_run(current_task().run_id).steps[0].progress)
        return "done"

    drive(patient, None, handlers={"answer": telling})
    assert str(seen[0]) == "3 of 4: nearly"


def test_a_paused_run_is_an_error_not_a_wait(drive: Driver, pgflow_database):
    with Client(pgflow_database) as client:
        client.deploy(patient)
        handle = client.start(patient, None)
        client.pause_run(handle.run_id)
        with pytest.raises(CannotEnd, match="the run is paused: resume it"):
            drive.finish(patient, handle.run_id)
        client.resume_run(handle.run_id)
        assert drive.finish(patient, handle.run_id).result == "yes"


def test_a_paused_executor_is_an_error_not_a_wait(drive: Driver, pgflow_database):
    with Client(pgflow_database) as client:
        client.pause_executor("local")
    with pytest.raises(CannotEnd, match="executor 'local' is paused"):
        drive(patient, None)


def test_a_task_that_is_handed_back_for_ever_is_an_error(drive: Driver, monkeypatch):
    from pgflow.errors import HandlerMissing

    monkeypatch.setattr("pgflow_testing.driver._MOST_ATTEMPTS", 20)
    with pytest.raises(CannotEnd, match="handed back again and again"):
        drive(patient, None, handlers={"answer": Mock(side_effect=HandlerMissing("gone", handler="m:f"))})


def test_time_passes_when_told_to(drive: Driver):
    before = drive.now
    drive.wait(timedelta(days=3))
    assert drive.now - before == timedelta(days=3)


def test_messages_of_the_assertions_show_the_run(drive: Driver):
    driven = drive(shop, Order(["gold"]))
    with pytest.raises(AssertionError) as caught:
        assert_completed(driven)
    said = str(caught.value)
    assert said.startswith("the run is failed, not completed\nrun ")
    assert "price       failed (HANDLER_ERROR: KeyError: 'gold')" in said
    assert "item 0, attempt 1: failed (HANDLER_ERROR: KeyError: 'gold')" in said
    wrong = [
        (lambda: assert_failed(driven, step="total"), "failed at step 'price', not at 'total'"),
        (lambda: assert_failed(driven, code="TIMEOUT"), "has the code 'HANDLER_ERROR', not 'TIMEOUT'"),
        (lambda: assert_failed(driven, match="silver"), "where 'silver' is not found"),
        (lambda: assert_step_skipped(driven, "price"), "step 'price' is failed, not skipped"),
        (lambda: assert_step_skipped(driven, "hurry", reason="x"), "reason 'condition_unmet', not 'x'"),
        (lambda: assert_step_completed(driven, "list_items", []), r"is \['gold'\], not \[\]"),
        (lambda: assert_step_failed(driven, "total"), "step 'total' is .*, not failed"),
        (lambda: assert_attempts(driven, "hurry", "failed"), r"\(there was none\), not failed"),
    ]
    for check, message in wrong:
        with pytest.raises(AssertionError, match=message):
            check()
    with pytest.raises(ValueError, match="did you mean 'price'"):
        driven.step("prise")


def test_a_final_failure_is_not_repeated(drive: Driver):
    driven = drive(patient, None, handlers={"answer": Mock(side_effect=NonRetryable("never"))})
    assert_attempts(driven, "answer", "failed")
