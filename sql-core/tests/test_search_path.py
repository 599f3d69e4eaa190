"""What a caller has in its temporary schema or on its search_path never gets into the engine's functions."""

from __future__ import annotations

import psycopg
import pytest

from .support.definitions import step
from .support.engine import Engine

TYPES = ("text", "jsonb", "uuid", "timestamptz", "bytea", "int4", "bool")


@pytest.fixture
def watched(engine: Engine) -> Engine:
    """A session whose temporary schema has a type of every common name, which tells when a value passes."""
    engine.rows("set role none")  # parameters then go beside the text, not as casts to the caller's types
    engine.rows("create function public.watch() returns boolean language sql as 'select 1 / 0 = 0'")
    for name in TYPES:
        engine.rows(f"create domain pg_temp.{name} as pg_catalog.{name} check (public.watch())")
    with pytest.raises(psycopg.errors.DivisionByZero):
        engine.rows("select 'a'::text")
    return engine


def test_temporary_types_of_the_caller_are_not_used(watched: Engine) -> None:
    watched.define("shop", step("cart"), step("pay", "cart"))
    run_id = watched.run("shop", {"a": 1})
    watched.complete(watched.take("cart"), 1)
    watched.fail(watched.take("pay"))
    watched.maintain()
    assert watched.cancel(run_id) == "cancelled"
    assert watched.retry(run_id) == "retrying"
    assert watched.get_run(run_id)["status"] == "running"


def test_operators_on_the_path_of_the_caller_are_not_used(engine: Engine) -> None:
    engine.rows("create schema trap")
    engine.rows("create function trap.less(int, int) returns boolean language sql as 'select 1 / 0 = 0'")
    engine.rows("create operator trap.> (function = trap.less, leftarg = int, rightarg = int)")
    engine.rows("set search_path to trap, pg_catalog")
    with pytest.raises(psycopg.errors.DivisionByZero):
        engine.rows("select 1 > 2")
    engine.define("shop", step("cart"))
    engine.run("shop")
    assert engine.work_off() == 1
