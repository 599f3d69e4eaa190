"""A driver process, asked and answering."""

import sys
from pathlib import Path

import pytest

from benchmarks.participant import Contender, Driver, DriverError

ECHO = """
from benchmarks.drivers import protocol
def echo(value):
    print("a library that prints")
    return {"value": value}
def fail():
    raise ValueError("no")
protocol.serve({"echo": echo, "fail": fail})
"""


@pytest.fixture
def driver(tmp_path: Path):
    contender = Contender("echo", (sys.executable, "-c", ECHO), "", frozenset({"echo", "fail"}))
    with Driver(contender, tmp_path / "log") as driver:
        yield driver


def test_an_answer_carries_calls_and_processor_time(driver: Driver):
    answer = driver.ask("echo", value=3)
    assert answer["value"] == 3
    assert answer["calls"] == 0
    assert answer["client_cpu"] >= 0


def test_an_exception_is_told_and_the_driver_lives_on(driver: Driver):
    with pytest.raises(DriverError, match="ValueError: no"):
        driver.ask("fail")
    assert driver.ask("echo", value=1)["value"] == 1


def test_a_driver_that_ended_is_named(tmp_path: Path):
    contender = Contender("gone", (sys.executable, "-c", ""), "", frozenset())
    with Driver(contender, tmp_path / "log") as driver, pytest.raises(DriverError, match="gone ended"):
        driver.ask("echo", value=1)
