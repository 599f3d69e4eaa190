"""Several clients that complete the items of one map run, one at a time: do they wait for each other?"""

import multiprocessing
import time
from multiprocessing.synchronize import Barrier
from typing import Any

import psycopg

COMPLETE = "select pgflow.complete_step_task(%s, %s, %s, %s, '1'::jsonb)"
CLAIM = """
select run_id, step_slug, task_index, attempt_token
from pgflow.claim_step_tasks('local', 'contention', 500, 600)
"""

WARM = 5  # a client's first tasks, before the clock: its connection plans its statements

Task = tuple[str, str, int, str]


def complete_from(
    dsn: str, connection: psycopg.Connection[tuple[Any, ...]], items: int, clients: int
) -> dict[str, Any]:
    """Start a map of `items` items, claim all, and complete all but a last few from `clients` processes.

    The few that stay keep the step from ending, which is another question; `per_s` is items a second.
    """
    values = ",".join(map(str, range(items)))
    connection.execute("select * from pgflow.run_flow('fan', %s::jsonb)", (f"[{values}]",))
    tasks: list[Any] = []
    while len(tasks) < items:
        tasks += connection.execute(CLAIM).fetchall()
    share = (items - 100) // clients
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(clients + 1)
    shares = [tasks[client * share : (client + 1) * share] for client in range(clients)]
    workers = [fork.Process(target=_complete, args=(dsn, part, barrier)) for part in shares]
    for worker in workers:
        worker.start()
    barrier.wait(30)
    started = time.perf_counter()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - started
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("a client of the contention workload failed; its traceback is in the driver's log")
    return {"seconds": seconds, "per_s": (share - WARM) * clients / seconds}


def _complete(dsn: str, tasks: list[Task], barrier: Barrier) -> None:
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=0) as connection:
        for task in tasks[:WARM]:
            _one(connection, task)
        barrier.wait(30)
        for task in tasks[WARM:]:
            _one(connection, task)


def _one(connection: psycopg.Connection[tuple[Any, ...]], task: Task) -> None:
    row = connection.execute(COMPLETE, task).fetchone()
    if row != ("completed",):
        raise RuntimeError(f"{task}: {row}")
