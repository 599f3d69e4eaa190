"""DBOS: workflows of one or three steps through a queue of 50, polled every 10 ms.

Flows of many steps are such workflows too: one step after the other, whatever their shape.
It is launched for each drain. Its clock starts with the first step, so that launching costs it nothing, and
stops when the last workflow is recorded as successful.
"""

import functools
import threading
import time
from typing import Any

import psycopg
from dbos import DBOS, DBOSClient, DBOSConfig

from benchmarks.drivers import protocol, psycopg_calls, shapes

QUEUE = "bench"
CONCURRENCY = 50
POLL_SECONDS = 0.01
ENDED = "select count(*) from dbos.workflow_status where status = 'SUCCESS'"

state: dict[str, Any] = {}
begun = threading.Event()


@DBOS.step()
def link() -> int:
    """Do nothing."""
    if not begun.is_set():
        state["started"] = time.perf_counter()
        begun.set()
    return 1


@DBOS.workflow(name="single")
def single() -> int:
    """Run one step."""
    return link()


@DBOS.workflow(name="chain")
def chain() -> int:
    """Run three steps."""
    return link() + link() + link()


@DBOS.workflow(name="fan")
def fan_out(items: list[Any]) -> int:
    """Run a step for each item, one after the other, and one more."""
    return sum(link() for _ in items) + link()


@DBOS.workflow(name="pair")
def pair() -> None:
    """Run two steps that note when they start and end."""
    before()
    after()


@DBOS.step()
def before() -> None:
    """Note the moments of the first step."""
    state["starts"].append(time.perf_counter() - state["enqueued"])
    state["ended"] = time.perf_counter()


@DBOS.step()
def after() -> None:
    """Note the start of the second step."""
    state["nexts"].append(time.perf_counter() - state["ended"])


def many(steps: int) -> int:
    """Run so many steps, one after the other."""
    return sum(link() for _ in range(steps))


for flow, steps in shapes.STEPS_OF.items():
    DBOS.workflow(name=flow)(functools.wraps(many)(functools.partial(many, steps)))


def launch(dsn: str) -> None:
    """Start DBOS in this process, with its queue."""
    config = DBOSConfig(
        name="bench",
        system_database_url=dsn,
        log_level="ERROR",
        application_version="1",
        sys_db_pool_size=20,
    )
    DBOS(config=config)
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=CONCURRENCY, polling_interval_sec=POLL_SECONDS)


def install(dsn: str) -> dict[str, Any]:
    """Create DBOS's tables and queue."""
    launch(dsn)
    DBOS.destroy()
    return {}


def connect(dsn: str) -> dict[str, Any]:
    """Open a client."""
    state.update(dsn=dsn, client=DBOSClient(system_database_url=dsn), done=0)
    return {}


def workflow(name: str) -> Any:
    """Return what to enqueue."""
    return {"workflow_name": name, "queue_name": QUEUE, "app_version": "1"}


def enqueue(flow: str, count: int, batch: int) -> dict[str, Any]:
    """Enqueue `count` workflows one by one: there is no batch form, `batch` is not used."""
    started = time.perf_counter()
    for _ in range(count):
        state["client"].enqueue(workflow(flow))
    return {"seconds": time.perf_counter() - started}


def drain(flow: str, count: int) -> dict[str, Any]:
    """Run every workflow."""
    begun.clear()
    state["done"] += count
    with psycopg.connect(state["dsn"], autocommit=True) as looking:
        launch(state["dsn"])
        begun.wait(30)
        deadline = time.perf_counter() + 300
        while looking.execute(ENDED).fetchone() != (state["done"],):
            if time.perf_counter() > deadline:
                raise TimeoutError("workflows have not ended in 300 s")
            time.sleep(0.02)
        seconds = time.perf_counter() - state["started"]
    DBOS.destroy()
    return {"seconds": seconds}


def fan(items: int, payload: int, dependent: bool) -> dict[str, Any]:
    """Run one workflow with a step for each item of about `payload` bytes, from its start to its end."""
    values = ["x" * payload if payload else index for index in range(items)]
    started = time.perf_counter()
    state["client"].enqueue(workflow("fan"), values)
    enqueued = time.perf_counter() - started
    return {"seconds": enqueued + drain("fan", 1)["seconds"]}


def latency(samples: int, gap: float) -> dict[str, Any]:
    """Enqueue one workflow at a time on an idle process; its next step starts in the same thread."""
    state.update(starts=[], nexts=[])
    launch(state["dsn"])
    for _ in range(samples):
        time.sleep(gap)
        state["enqueued"] = time.perf_counter()
        state["client"].enqueue(workflow("pair")).get_result(polling_interval_sec=0.05)
    DBOS.destroy()
    return {f"{name}_ms": [value * 1e3 for value in state[f"{name}s"]] for name in ("start", "next")}


def idle(settling: float, seconds: float) -> dict[str, Any]:
    """Let the process poll, as in `latency`."""
    launch(state["dsn"])
    spent = protocol.rest(settling, seconds)
    DBOS.destroy()
    return spent


if __name__ == "__main__":
    psycopg_calls.watch()
    protocol.serve(
        {
            "install": install,
            "connect": connect,
            "enqueue": enqueue,
            "drain": drain,
            "fan": fan,
            "latency": latency,
            "idle": idle,
        }
    )
