"""When a lane's next exchange is due."""

import math

import pytest
from pgflow.dispatcher.pace import Pace


@pytest.fixture
def idle():
    """A lane that looked a moment ago and found nothing."""
    pace = Pace(0.0)
    pace.begin(0.0, 10)
    pace.end(0.001, asked=10, got=0, wake_in=None, longest_poll=10)
    return pace


def test_first_look_is_at_once():
    assert Pace(5.0).delay(5.0, reports=0, used=0, free=4) == 0


def test_report_of_the_only_attempt_goes_at_once(idle):
    assert idle.delay(0.001, reports=1, used=0, free=4) == 0


def test_reports_of_a_busy_lane_are_gathered_for_a_few_milliseconds(idle):
    assert 0 < idle.delay(0.001, reports=1, used=90, free=10) <= 0.005
    assert idle.delay(0.006, reports=1, used=90, free=10) == 0


def test_half_of_the_capacity_does_not_wait(idle):
    assert idle.delay(0.001, reports=50, used=50, free=50) == 0


def test_wake_up_during_an_exchange_is_not_lost(idle):
    idle.begin(1.0, 10)
    idle.ring()
    idle.end(1.001, asked=10, got=0, wake_in=None, longest_poll=10)
    assert idle.delay(1.001, reports=0, used=0, free=10) == 0


def test_full_claim_means_that_there_is_more(idle):
    idle.begin(1.0, 10)
    idle.end(1.001, asked=10, got=10, wake_in=None, longest_poll=10)
    assert idle.delay(1.1, reports=0, used=10, free=5) == 0


def test_without_room_it_asks_the_executor_again_and_never_the_database(idle):
    assert idle.delay(100.0, reports=0, used=10, free=0) == math.inf
    idle.ring()
    assert 0 < idle.delay(100.0, reports=0, used=10, free=0) < 0.1


def test_exchange_that_claims_nothing_keeps_the_appetite(idle):
    idle.ring()
    idle.begin(1.0, 0)
    idle.end(1.001, asked=0, got=0, wake_in=None, longest_poll=10)
    assert idle.delay(1.1, reports=0, used=0, free=5) == 0


def test_idle_polls_back_off_to_the_longest():
    pace, now, delays = Pace(0.0), 0.0, []
    for _ in range(12):
        pace.begin(now, 10)
        pace.end(now, asked=10, got=0, wake_in=None, longest_poll=10)
        delays.append(pace.delay(now, reports=0, used=0, free=10))
        now += delays[-1]
    assert delays[0] <= 0.1
    assert all(7.5 <= delay <= 10 for delay in delays[-3:])


def test_parked_task_is_looked_for_when_it_is_due(idle):
    idle.begin(1.0, 10)
    idle.end(1.0, asked=10, got=0, wake_in=None, longest_poll=10)
    idle.begin(2.0, 10)
    idle.end(2.0, asked=10, got=1, wake_in=0.03, longest_poll=10)
    assert idle.delay(2.0, reports=0, used=0, free=10) == pytest.approx(0.03)


def test_dense_timers_do_not_make_an_idle_lane_spin():
    pace, now = Pace(0.0), 0.0
    polls = 0
    while now < 60:
        pace.begin(now, 10)
        pace.end(now, asked=10, got=0, wake_in=0.001, longest_poll=10)
        now += pace.delay(now, reports=0, used=0, free=10)
        polls += 1
    assert polls < 66
