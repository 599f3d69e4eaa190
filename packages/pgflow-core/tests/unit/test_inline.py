"""`run_inline`: the engine's rules, in this process."""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgflow import (
    InputError,
    Node,
    NonRetryable,
    NotInTask,
    OutputInvalid,
    RetryAfter,
    RunFailed,
    const,
    contains,
    current_task,
    flow,
    map_step,
    run_inline,
    step,
)
from pgflow.runtime import Task

CALLS = []


@pytest.fixture(autouse=True)
def _no_calls():
    CALLS.clear()


@dataclass
class Page:
    text: str
    at: datetime | None = None


def page(n: int) -> Page:
    CALLS.append(n)
    return Page(str(n), datetime(2026, 1, 2, tzinfo=UTC))


async def shout(p: Page) -> str:
    await asyncio.sleep(0)
    CALLS.append(p)
    return p.text.upper()


def numbers(n: int) -> list[int]:
    return list(range(n))


def double(n: int) -> int:
    CALLS.append(n)
    return 2 * n


def total(items: list[int]) -> int:
    return sum(items)


def flaky(n: int) -> int:
    CALLS.append(current_task().attempt)
    if len(CALLS) < n:
        raise ValueError(f"attempt {len(CALLS)}")
    return n


def stubborn(n: int) -> int:
    CALLS.append(n)
    raise NonRetryable("never")


def patient(n: int) -> int:
    CALLS.append(n)
    if len(CALLS) == 1:
        raise RetryAfter(3600)
    return n


def odd_fails(n: int) -> int:
    CALLS.append(n)
    if n % 2:
        raise ValueError(f"odd {n}")
    return n


def liar(n: int) -> int:
    CALLS.append(n)
    return "not a number"


def not_a_number(n: int) -> float:
    return float("nan")


def anything(n: int) -> object:
    return {"n": n}


def maybe(a: int | None, b: int | None) -> str:
    return f"{a} {b}"


def describe(n: int) -> dict[str, str]:
    task = current_task()
    assert isinstance(task, Task)
    task.heartbeat()
    task.progress(1, 2, "half")
    return {
        "run_id": str(task.run_id),
        "where": f"{task.flow_slug}.{task.step_slug}[{task.task_index}] #{task.attempt}",
        "key": task.idempotency_key,
        "seconds": str(round((task.deadline - datetime.now(UTC)).total_seconds())),
    }


def leave(n: int) -> int:
    raise SystemExit(n)


async def cancel(n: int) -> int:
    raise asyncio.CancelledError


def one_step(handler, **options):
    @flow(slug="f")
    def defined(n: Node[int]) -> Node[int]:
        return step(handler, n, **options)

    return defined


def test_values_pass_through_the_codec():
    @flow
    def shouted(n: Node[int]) -> Node[str]:
        return step(shout, step(page, n))

    assert run_inline(shouted, 3) == "3"
    assert [3, Page("3", datetime(2026, 1, 2, tzinfo=UTC))] == CALLS


def test_a_handlers_argument_is_its_own_copy():
    shared = []

    @flow
    def copied(items: Node[list[int]]) -> Node[int]:
        return step(total, items)

    assert copied.run_inline(shared) == 0
    assert shared == []


def test_a_bad_input_runs_nothing():
    with pytest.raises(InputError):
        one_step(double).run_inline("x")
    assert CALLS == []


def test_maps_keep_the_order_of_items():
    @flow
    def mapped(n: Node[int]) -> Node[int]:
        return step(total, map_step(double, step(numbers, n)))

    assert mapped.run_inline(4) == 12
    assert CALLS == [0, 1, 2, 3]
    assert mapped.run_inline(0) == 0


@given(st.lists(st.integers(-5, 5)))
def test_maps_agree_with_list_comprehensions(items):
    @flow
    def mapped(items: Node[list[int]]) -> Node[list[int]]:
        return map_step(double, map_step(double, items), slug="again")

    assert mapped.run_inline(items) == [4 * n for n in items]


def test_a_map_over_no_array_fails_the_run():
    @flow
    def mapped(n: Node[int]) -> Node[list[int]]:
        return map_step(double, step(anything, n), when_exhausted="fail")

    with pytest.raises(RunFailed, match=r"step 'double': TYPE_VIOLATION: .* needs an array, but 'anything'"):
        mapped.run_inline(1)


class TestRetries:
    def test_a_failure_is_tried_again_at_once(self):
        assert one_step(flaky).run_inline(3) == 3
        assert CALLS == [1, 2, 3]

    def test_max_attempts_is_honoured(self):
        with pytest.raises(RunFailed) as caught:
            one_step(flaky, max_attempts=2).run_inline(3)
        assert CALLS == [1, 2]
        error = caught.value.error
        assert (error["code"], error["type"], error["message"]) == (
            "HANDLER_ERROR",
            "ValueError",
            "attempt 2",
        )
        assert (error["step_slug"], error["attempt"]) == ("flaky", 2)
        assert caught.value.run_id is None
        assert isinstance(caught.value.__cause__, ValueError)

    def test_non_retryable_stops(self):
        with pytest.raises(RunFailed, match="step 'stubborn': NON_RETRYABLE: NonRetryable: never"):
            one_step(stubborn).run_inline(1)
        assert CALLS == [1]

    def test_retry_after_is_not_waited_for(self):
        assert one_step(patient).run_inline(1) == 1
        assert CALLS == [1, 1]

    @pytest.mark.parametrize(
        ("handler", "problem"),
        [
            (liar, "OUTPUT_INVALID: OutputInvalid: the result of .*liar is not valid"),
            (not_a_number, "NaN or Infinity"),
        ],
    )
    def test_a_bad_result_is_not_tried_again(self, handler, problem):
        with pytest.raises(RunFailed, match=problem) as caught:
            one_step(handler).run_inline(1)
        assert len(CALLS) <= 1
        assert isinstance(caught.value.__cause__, OutputInvalid)

    @pytest.mark.parametrize(
        ("handler", "code"), [(leave, "HANDLER_EXITED"), (cancel, "CANCELLED_BY_HANDLER")]
    )
    def test_an_exit_or_a_cancellation_by_the_handler_is_a_failure(self, handler, code):
        with pytest.raises(RunFailed, match=code):
            one_step(handler, max_attempts=1).run_inline(1)


class TestExhausted:
    def test_skip_lets_dependents_go_on(self):
        @flow
        def skipping(n: Node[int]) -> Node[str]:
            return step(maybe, step(stubborn, n, when_exhausted="skip").or_none(), n)

        assert skipping.run_inline(1) == "None 1"

    def test_skip_cascade_skips_what_follows(self):
        @flow
        def cascading(n: Node[int]) -> tuple[Node[int | None], Node[int]]:
            failed = step(stubborn, n, when_exhausted="skip_cascade")
            return step(double, failed).or_none(), step(double, n, slug="other")

        assert cascading.run_inline(1) == (None, 2)
        assert CALLS == [1, 1]

    def test_failed_items_within_max_failures_are_null(self):
        @flow
        def tolerant(items: Node[list[int]]) -> Node[list[int | None]]:
            return map_step(odd_fails, items, max_failures=2, max_attempts=1).items_or_none()

        assert tolerant.run_inline([1, 2, 3]) == [None, 2, None]
        with pytest.raises(RunFailed, match=r"step 'odd_fails', item 2: .* odd 5"):
            tolerant.run_inline([1, 3, 5])


class TestConditions:
    @pytest.mark.parametrize(("n", "text"), [(1, "2 None"), (2, "None 4"), (3, "None 6")])
    def test_opposite_conditions_run_exactly_one_branch(self, n, text):
        @flow
        def branched(n: Node[int]) -> Node[str]:
            one = step(double, n, when=contains(n, 1))
            other = step(double, n, slug="other", unless=contains(n, 1))
            return step(maybe, one.or_none(), other.or_none())

        assert branched.run_inline(n) == text

    def test_both_conditions_must_hold(self):
        @flow
        def both(n: Node[int]) -> Node[int | None]:
            doubled = step(double, n, slug="doubled")
            return step(double, n, when=contains(n, 1), unless=contains(doubled, 2)).or_none()

        assert both.run_inline(1) is None
        assert both.run_inline(2) is None

    def test_a_skipped_step_contains_nothing(self):
        @flow
        def absent(n: Node[int]) -> tuple[Node[int | None], Node[int | None]]:
            skipped = step(double, n, when=contains(n, 99))
            when = step(double, n, slug="when", when=contains(skipped, {}))
            unless = step(double, n, slug="unless", unless=contains(skipped, {}))
            return when.or_none(), unless.or_none()

        assert absent.run_inline(1) == (None, 2)

    def test_when_unmet_fail(self):
        @flow
        def unmet(n: Node[int]) -> Node[int]:
            return step(double, n, when=contains(n, 9), when_unmet="fail")

        with pytest.raises(RunFailed, match="step 'double': CONDITION_UNMET") as caught:
            unmet.run_inline(1)
        assert caught.value.error["code"] == "CONDITION_UNMET"

    def test_when_unmet_skip_cascade(self):
        @flow
        def unmet(n: Node[int]) -> Node[int | None]:
            return step(total, step(numbers, n, when=contains(n, 9), when_unmet="skip_cascade")).or_none()

        assert unmet.run_inline(1) is None
        assert unmet.run_inline(9) == 36


class TestTask:
    def test_the_handler_sees_its_task(self):
        @flow
        def described(n: Node[int]) -> Node[list[dict[str, str]]]:
            return map_step(describe, step(numbers, n), timeout=30)

        first, second = described.run_inline(2)
        assert first["where"] == "described.describe[0] #1"
        assert second["where"] == "described.describe[1] #1"
        assert first["run_id"] == second["run_id"] == str(UUID(first["run_id"]))
        assert first["key"] == f"{first['run_id']}/describe/0"
        assert first["seconds"] == "30"

    def test_outside_a_task_the_error_says_so(self):
        with pytest.raises(NotInTask, match="only inside a handler"):
            current_task()
        one_step(double).run_inline(1)
        with pytest.raises(NotInTask):
            current_task()


def test_params_and_constants():
    @flow
    def fixed(n: Node[int]) -> Node[str]:
        return step(maybe, const(None), n)

    assert fixed.run_inline(3) == "None 3"
    assert json.loads(json.dumps(fixed.definition.to_json()))["steps"][0]["params"] == {
        "a": {"const": None},
        "b": "run",
    }


async def test_inside_a_running_event_loop():
    @flow
    def shouted(n: Node[int]) -> Node[str]:
        return step(shout, step(page, n))

    assert shouted.run_inline(3) == "3"
    with pytest.raises(RunFailed):
        one_step(stubborn).run_inline(3)


def test_a_flow_runs_again_and_again():
    defined = one_step(double)
    assert [defined.run_inline(n) for n in range(3)] == [0, 2, 4]
