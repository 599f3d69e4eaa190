"""Two and more sessions at once: started together, or watched until one waits for another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Event
from time import monotonic
from typing import Any, TypeVar

import psycopg

from .engine import Engine

T = TypeVar("T")

_DEADLINE = 60.0
CONTENTION = ("40P01", "40001", "55P03")


def together(*calls: Callable[[], T], deadline: float = _DEADLINE * 3) -> list[T]:
    """Call all at the same instant, each in a thread of its own; return their results in order."""
    barrier = Barrier(len(calls))

    def released(call: Callable[[], T]) -> T:
        barrier.wait(_DEADLINE)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(released, call) for call in calls]
        return [future.result(deadline) for future in futures]


@contextmanager
def meanwhile(call: Callable[[], T]) -> Iterator[Future[T]]:
    """Run a call in a thread while the block runs; the block must make it end."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(call)


def until(condition: Callable[[], T], seconds: float = _DEADLINE) -> T:
    """Return the first true value of `condition`; fail when a deadline passes without one."""
    deadline = monotonic() + seconds
    pause = Event()
    while not (value := condition()):
        assert monotonic() < deadline, "the condition awaited never came"
        pause.wait(0.002)
    return value


def until_blocked(observer: Engine, blocked: Engine) -> None:
    """Return once the session of `blocked` waits for a lock that another session holds."""
    pid = blocked.connection.info.backend_pid
    until(lambda: observer.value("select cardinality(pg_blocking_pids(%s)) > 0", pid))


def as_client(call: Callable[[], T], tries: int = 20, retried: Collection[str] = CONTENTION) -> T:
    """Call again on deadlock, serialization failure and lock timeout, as our clients do."""
    for left in reversed(range(tries)):
        try:
            return call()
        except psycopg.Error as error:
            if error.sqlstate not in retried or not left:
                raise
    raise AssertionError("unreachable")


def backend_pid(engine: Engine) -> Any:
    """Return the process id of the session's backend."""
    return engine.connection.info.backend_pid
