"""What `python -m benchmarks.profile` looks into: the cases whose bar is missed or near."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.bars import PRODUCT, SQL


@dataclass(frozen=True)
class Operation:
    """What a driver is asked, and with which arguments."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """Operations of a contender: some before the count begins, some that are counted, for `units` of work."""

    name: str
    title: str
    contender: str
    units: int
    unit: str
    counted: tuple[Operation, ...]
    before: tuple[Operation, ...] = ()
    warm: str = "single"


def _enqueue(flow: str, count: int, batch: int = 100) -> Operation:
    return Operation("enqueue", {"flow": flow, "count": count, "batch": batch})


def _drain(flow: str, count: int) -> Operation:
    return Operation("drain", {"flow": flow, "count": count})


def cases() -> list[Case]:
    """Return what is looked into; sizes so that the looks are many and no turn takes a minute."""
    single, chain = _drain("single", 20_000), (_enqueue("chain", 5_000), _drain("chain", 5_000))
    queued = (_enqueue("single", 20_000),)
    long = (_enqueue("long_chain", 1, 1), _drain("long_chain", 1))
    latency = (Operation("latency", {"samples": 100, "gap": 0.1}),)
    return [
        Case("single-sql", "P1: one-step runs drained, SQL level", SQL, 20_000, "task", (single,), queued),
        Case("single", "P2: one-step runs drained, the product", PRODUCT, 20_000, "task", (single,), queued),
        Case("run-flow", "P3: `run_flow`, one by one", SQL, 2_000, "run", (_enqueue("single", 2_000, 1),)),
        Case("chain-sql", "P4: chains of three, SQL level", SQL, 15_000, "step", chain, warm="chain"),
        Case("chain", "P4: chains of three, the product", PRODUCT, 15_000, "step", chain, warm="chain"),
        Case("latency", "P6: runs of two steps, one by one, the product", PRODUCT, 100, "run", latency),
        Case("long-chain", "One run of 1,000 steps, the product", PRODUCT, 1_000, "step", long, long),
    ]
