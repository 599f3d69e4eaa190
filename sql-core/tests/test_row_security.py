"""What row level security costs: the engine nothing, a reader of one run a probe of the index a row."""

from __future__ import annotations

import pytest

from .support.definitions import map_step, step
from .support.engine import Engine

HIDDEN = "readable_owner"


@pytest.fixture
def filled(engine: Engine) -> Engine:
    engine.define("f", step("a"), map_step("m", "run"))
    engine.run_many("f", [[i, i] for i in range(2000)])
    engine.rows(
        """update pgflow.runs set owner = 'somebody else'
           where run_id not in (select run_id from pgflow.runs limit 5)"""
    )
    engine.rows("vacuum analyze")
    return engine


def plan(engine: Engine, query: str, role: str) -> str:
    return "\n".join(row[0] for row in engine.rows(f"explain (verbose, costs off) {query}", role=role))


@pytest.mark.parametrize("view", ["runs", "step_states", "step_tasks"])
def test_a_client_reads_one_run_by_its_index(filled: Engine, view: str) -> None:
    mine = filled.value("select run_id from pgflow.runs where owner <> 'somebody else' limit 1")
    seen = plan(filled, f"select * from pgflow.{view} where run_id = '{mine}'", "pgflow_client")
    assert HIDDEN in seen
    assert "runs_pkey" in seen
    for table in ("runs", "run_steps", "map_tasks"):
        assert f"Seq Scan on pgflow.{table} " not in seen


@pytest.mark.parametrize("view", ["runs", "step_states", "step_tasks"])
def test_the_engine_is_not_subject_to_it(filled: Engine, view: str) -> None:
    """A verb runs as the owner of the tables, whatever role called it."""
    assert HIDDEN not in plan(filled, f"select * from pgflow.{view}", "none")
    owners = filled.rows(
        """select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname = 'pgflow' and c.relkind = 'r'
             and (c.relforcerowsecurity or c.relowner <> n.nspowner)"""
    )
    assert owners == []
    verbs = filled.rows(
        """select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
           where n.nspname = 'pgflow' and p.prosecdef and p.proowner <> n.nspowner"""
    )
    assert verbs == []
