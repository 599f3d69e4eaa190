"""Versions of a flow: what makes one, and what its runs see of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from psycopg.types.json import Jsonb

from .support.definitions import chain, flow, map_step, step
from .support.engine import Engine
from .support.sessions import together

A = flow("f", step("a"), step("b", "a", max_attempts=5), priority=3)
B = flow("f", step("a"), step("b"))

CHANGES = {
    "a dependency": flow("f", step("a"), step("b", max_attempts=5), priority=3),
    "a new step": flow("f", step("a"), step("b", "a", max_attempts=5), step("c"), priority=3),
    "a step option": flow("f", step("a"), step("b", "a", max_attempts=6), priority=3),
    "a flow option": flow("f", step("a"), step("b", "a", max_attempts=5), priority=4),
    "a handler": flow("f", step("a", handler="m:g"), step("b", "a", max_attempts=5), priority=3),
    "an executor": flow("f", step("a", executor="x"), step("b", "a", max_attempts=5), priority=3),
    "an executor option": flow(
        "f", step("a", executor_options={"gb": 1}), step("b", "a", max_attempts=5), priority=3
    ),
    "the type": flow("f", step("a"), map_step("b", "a", max_attempts=5), priority=3),
    "needs_run_input": flow("f", step("a", needs_run_input=True), step("b", "a", max_attempts=5), priority=3),
    "params": flow("f", step("a"), step("b", "a", max_attempts=5, params={"x": "a"}), priority=3),
    "returns": flow("f", step("a"), step("b", "a", max_attempts=5), priority=3, returns="a"),
    "input_schema": flow(
        "f", step("a"), step("b", "a", max_attempts=5), priority=3, input_schema={"type": "object"}
    ),
    "a condition": flow("f", step("a"), step("b", "a", max_attempts=5, required_input={"a": 1}), priority=3),
}


def active(engine: Engine) -> list[int]:
    return [row[0] for row in engine.rows("select flow_version from pgflow.flows where is_active")]


def test_the_same_content_again_changes_no_row(engine: Engine) -> None:
    """Rule 2: the same version, created=false, nothing written."""
    first = engine.define_json(A)
    assert (first.flow_slug, first.flow_version, first.created) == ("f", 1, True)
    written = """select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)
                 from pg_stat_xact_user_tables where schemaname = 'pgflow'"""
    with engine.transaction():
        before = engine.value(written)
        again = engine.define_json(A)
        assert (again.flow_version, again.created) == (1, False)
        assert engine.value(written) == before


def test_key_order_does_not_matter(engine: Engine) -> None:
    """Rule 2: the hash is over content."""
    engine.define_json(A)
    turned = {key: A[key] for key in reversed(A)}
    turned["steps"] = [{key: made[key] for key in reversed(made)} for made in A["steps"]]
    assert engine.define_json(turned)[1:] == (1, False)


def test_an_older_content_becomes_active_again(engine: Engine) -> None:
    """Rule 2: A, B, A: version 1 is the active one, and what starts runs on it."""
    assert engine.define_json(A)[1:] == (1, True)
    assert engine.define_json(B)[1:] == (2, True)
    assert active(engine) == [2]
    assert engine.define_json(A)[1:] == (1, False)
    assert active(engine) == [1]
    assert engine.start("f").flow_version == 1
    assert engine.define_json(B)[1:] == (2, False)
    assert engine.value("select count(*) from pgflow.flows") == 2


def test_any_change_makes_the_next_version(engine: Engine) -> None:
    """Rule 3: shape or options."""
    assert engine.define_json(A)[1:] == (1, True)
    for version, (name, changed) in enumerate(CHANGES.items(), 2):
        assert engine.define_json(changed)[1:] == (version, True), name
        assert active(engine) == [version]


def test_runs_finish_on_the_version_they_started_on(engine: Engine) -> None:
    """Rule 3: older versions stay."""
    engine.define("f", *chain("a", "b"))
    old = engine.run("f")
    engine.define("f", *chain("a", "x", "y"))
    new = engine.run("f")
    assert engine.work_off() == 5
    assert engine.steps(old) == {"a": "completed", "b": "completed"}
    assert engine.steps(new) == {"a": "completed", "x": "completed", "y": "completed"}
    assert engine.start("f", flow_version=1).flow_version == 1


def test_versions_of_one_flow_leave_another_alone(engine: Engine) -> None:
    """Rule 3: versions count per slug."""
    engine.define_json(A)
    assert engine.define("g", step("a")).flow_version == 1
    assert engine.define_json(B).flow_version == 2
    assert sorted(active(engine)) == [1, 2]


def test_a_step_may_come_before_its_dependency(engine: Engine) -> None:
    """Rule 4: the list's order is no order of execution."""
    engine.define("f", step("z", "y"), step("y", "x"), step("x"))
    run_id = engine.run("f")
    assert engine.work_off() == 3
    assert engine.status(run_id) == "completed"


def test_a_map_may_take_further_dependencies(engine: Engine) -> None:
    """Rule 6: over a dependency or the flow input, with others as plain inputs."""
    engine.define("f", step("a"), step("b"), map_step("m", "a", "b"), map_step("n", "run", "b"))
    run_id = engine.run("f", [7])
    engine.work_off({"a": [1, 2], "b": "B"})
    assert {slug: len(engine.tasks(run_id, slug)) for slug in "mn"} == {"m": 2, "n": 1}


def test_the_builders_give_the_same_definition_and_hash(engine: Engine) -> None:
    """Rule 7: `flow` and `step` are pure builders of the same JSON."""
    by_json = engine.define_json(
        {"flow_slug": "x", "steps": [{"step_slug": "a"}, {"step_slug": "b", "deps": ["a"]}]}
    )
    by_sql = engine.row(
        "select * from pgflow.define_flow(pgflow.flow('x', pgflow.step('a'), pgflow.step('b', array['a'])))"
    )
    assert (by_json.flow_version, by_json.created) == (1, True)
    assert (by_sql.flow_version, by_sql.created) == (1, False)
    volatility = (
        "select provolatile from pg_proc where pronamespace = 'pgflow'::regnamespace and proname = %s"
    )
    for name in ("flow", "step"):
        assert {row[0] for row in engine.rows(volatility, name)} == {"i"}


def test_two_sessions_defining_the_same_flow_make_one_version(
    engine: Engine, open_engine: Callable[[], Engine]
) -> None:
    """Rule 8: one version, no error, for a new and for a changed flow."""
    sessions = [engine, *(open_engine() for _ in range(5))]
    for version in range(1, 21):
        content = flow("f", *chain(*(f"s{i}" for i in range(version))))
        made = together(*(partial(session.define_json, content) for session in sessions))
        assert [row.flow_version for row in made] == [version] * len(sessions)
        assert sum(row.created for row in made) == 1


def test_two_sessions_defining_different_contents_make_two_versions(
    engine: Engine, open_engine: Callable[[], Engine]
) -> None:
    """Rule 8: define against define: no error, one of them active."""
    other = open_engine()
    for attempt in range(20):
        left, right = flow(f"f{attempt}", step("a")), flow(f"f{attempt}", step("b"))
        made = together(partial(engine.define_json, left), partial(other.define_json, right))
        assert sorted(row.flow_version for row in made) == [1, 2]
    assert active(engine) == [2] * 20


def test_the_definition_is_kept_as_given(engine: Engine) -> None:
    """Rule 2: `flows.definition` has no filled-in defaults that a later release could change."""
    engine.define_json(A)
    stored = engine.value("select definition from pgflow.flows")
    assert stored["flow_slug"] == "f"
    assert [made["step_slug"] for made in stored["steps"]] == ["a", "b"]
    assert "max_delay" not in str(stored)
    assert engine.row("select * from pgflow.define_flow(%s)", Jsonb(stored))[1:] == (1, False)
