"""Rule 82: random flows under random interleavings agree with the oracle, answer by answer.

PGFLOW_ORACLE_EXAMPLES sets how many examples are run, PGFLOW_ORACLE_SEED the first one's seed.
"""

from __future__ import annotations

import os

import pytest
from psycopg.types.json import Jsonb

from .oracle import Run, Step, contains
from .support import vacuum
from .support.engine import Engine
from .support.world import World

CHUNKS = 6
EXAMPLES = int(os.environ.get("PGFLOW_ORACLE_EXAMPLES", "80"))
SEED = int(os.environ.get("PGFLOW_ORACLE_SEED", "1"))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_flows_agree_with_the_oracle(engine: Engine, chunk: int) -> None:
    """Rule 82: maps, conditions, skips, failures, retries, losses, launches, cancellations, reopened runs."""
    vacuum.keep_out(engine.connection)
    engine.at(0)
    for seed in range(SEED + chunk, SEED + EXAMPLES, CHUNKS):
        world = World(engine, seed)
        try:
            world.live_on()
        except BaseException as error:
            error.add_note(f"PGFLOW_ORACLE_EXAMPLES=1 PGFLOW_ORACLE_SEED={seed}\n{world.story()}")
            raise


PAIRS: list[tuple[dict[str, object], dict[str, object]]] = [
    ({"a": [1, {"b": 2, "c": 3}]}, {"a": [{"b": 2}]}),
    ({"a": [1, 2]}, {"a": 1}),
    ({"a": [[1]]}, {"a": [1]}),
    ({"a": True}, {"a": 1}),
    ({"a": 1}, {"a": 1.0}),
    ({"a": {}}, {"a": []}),
    ({"a": []}, {"a": {}}),
    ({"a": None}, {"a": None}),
    ({}, {"a": None}),
    ({"a": [None]}, {"a": [None, None]}),
    ({"a": "x"}, {"a": ["x"]}),
]


def test_the_oracle_contains_as_postgresql_does(engine: Engine) -> None:
    """Rule 52: the model of jsonb containment is checked against the original."""
    for whole, part in PAIRS:
        assert contains(whole, part) == engine.value("select %s @> %s", Jsonb(whole), Jsonb(part)), (
            whole,
            part,
        )


def test_the_oracle_does_a_small_flow_as_the_design_says() -> None:
    """DESIGN 2: the oracle stands by itself: one run by hand, without a database."""
    steps = [
        Step("a"),
        Step("m", ("a",), map_over="a", max_failures=1),
        Step("end", ("m",), needs_run_input=True),
    ]
    run = Run(steps, None, {"x": 1})
    assert run.claim("a", 0) == (1, {})
    assert run.report("a", 0, 1, "complete", [5, 6], retryable=True) == "completed"
    assert run.queued() == {("m", 0), ("m", 1)}
    assert run.claim("m", 1) == (1, {"item": 6})
    assert run.report("m", 1, 1, "fail", None, retryable=False) == "failed"
    run.claim("m", 0)
    run.lose("m", 0)
    assert run.report("m", 0, 1, "complete", "late", retryable=True) == "completed"
    assert run.claim("end", 0) == (1, {"m": ["late", None], "run": {"x": 1}})
    assert run.report("end", 0, 1, "complete", 7, retryable=True) == "completed"
    assert (run.status, run.output) == ("completed", {"end": 7})
