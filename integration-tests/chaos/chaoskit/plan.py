"""What is broken when: a pure function of the seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

Kind = Literal[
    "kill dispatcher", "kill worker", "kill backend", "freeze dispatcher", "restart server", "cut network",
    "drop connections", "slow network", "jump clock",
]  # fmt: skip

WEIGHTS: dict[Kind, int] = {
    "kill dispatcher": 5,
    "kill worker": 6,
    "kill backend": 2,
    "freeze dispatcher": 2,
    "restart server": 2,
    "cut network": 3,
    "drop connections": 4,
    "slow network": 2,
    "jump clock": 3,
}

EASY: dict[Kind, float] = {"kill backend": 2.0, "restart server": 2.0, "cut network": 1.0}
"""Seconds of rest after what stops everybody: work must go on in between."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, `at` seconds after the start, for `lasting` seconds where it lasts."""

    at: float
    kind: Kind
    target: int
    """Which dispatcher, worker or backend, counted round."""
    lasting: float


def plan(seed: int, seconds: float, *, pace: float = 1.0, lease: float = 3.0) -> list[Fault]:
    """Say what goes wrong in so many seconds, `pace` seconds apart on average."""
    random = Random(seed)
    kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
    faults: list[Fault] = []
    at = random.expovariate(1 / pace)
    while at < seconds:
        (kind,) = random.choices(kinds, weights)
        lasting = random.uniform(0.1, 1.5 * lease)
        faults.append(Fault(round(at, 3), kind, random.randrange(1000), round(lasting, 3)))
        at += random.expovariate(1 / pace) + EASY.get(kind, 0.0)
    return faults
