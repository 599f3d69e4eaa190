"""Which role may call which function: the table of docs/reference/roles.md, tried out."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from .support.engine import Engine

PAGE = Path(__file__).parent.parent.parent / "docs" / "reference" / "roles.md"
NAMES = ("deployer", "dispatcher", "worker", "client", "user", "viewer", "owner")
ROLES = [f"pgflow_{name}" for name in NAMES]
TABLES = [
    *("flows", "steps", "deps", "runs", "run_steps", "map_tasks", "map_counters", "step_task_attempts"),
    *(
        "superseded_attempts",
        "completed_task_logs",
        "live_logs",
        "paused_runs",
        "parked_tasks",
        "executors",
        "queues",
        "ready_tasks",
        "timers",
        "launches",
    ),
    *("sweep_marks", "settings", "migrations", "worker_keys", "open_flows"),
]


def documented() -> dict[str, dict[str, bool]]:
    """Return, for each function of the page, which roles may call it."""
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {
        first.strip("`"): {role: bool(cell) for role, cell in zip(ROLES, rest, strict=True)}
        for first, *rest in cells
        if first.count("`") == 2
    }


DOCUMENTED = documented()


def calls(engine: Engine) -> dict[str, sql.Composable]:
    """Return a call of every public function, found in the catalogue, with nulls for arguments."""
    found = engine.rows(
        """select proname, provariadic <> 0 as is_variadic, array(select format_type(t, null)
               from unnest(proargtypes) with ordinality u (t, i) order by i) as types
           from pg_proc where pronamespace = 'pgflow'::regnamespace and proname !~ '^_'"""
    )
    made: dict[str, sql.Composable] = {}
    for row in found:
        arguments = [f"null::{kind}" for kind in row.types]
        if row.is_variadic:
            arguments[-1] = f"variadic {arguments[-1]}"
        made[row.proname] = sql.SQL(f"select * from pgflow.{row.proname}({', '.join(arguments)})")
    return made


def test_every_function_has_a_row(engine: Engine) -> None:
    assert set(calls(engine)) == set(DOCUMENTED)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_call_what_the_page_says(engine: Engine, role: str) -> None:
    """Rule 83: with only its own grants."""
    allowed: dict[str, bool] = {}
    for name, call in calls(engine).items():
        with engine.transaction(force_rollback=True):
            engine.rows(f"set local role {role}")
            try:
                with engine.transaction():
                    engine.connection.execute(call)
            except psycopg.Error as error:
                allowed[name] = error.sqlstate != "42501"
            else:
                allowed[name] = True
    assert allowed == {name: roles[role] for name, roles in DOCUMENTED.items()}


@pytest.mark.parametrize("role", ROLES)
def test_functions_of_the_engine_are_for_nobody(engine: Engine, role: str) -> None:
    reachable = engine.rows(
        """select oid::regprocedure from pg_proc
           where pronamespace in ('pgflow'::regnamespace, 'pgflow_locks'::regnamespace)
             and (proname ~ '^_' or pronamespace = 'pgflow_locks'::regnamespace)
             and has_function_privilege(%s, oid, 'execute')""",
        role,
    )
    assert reachable == []


@pytest.mark.parametrize("role", ROLES)
def test_nobody_writes_a_table(engine: Engine, role: str) -> None:
    writable = engine.rows(
        """select c.relname, p.privilege from pg_class c,
             unnest(array['insert', 'update', 'delete', 'truncate', 'references', 'trigger']) p (privilege)
           where c.relnamespace = 'pgflow'::regnamespace and c.relkind in ('r', 'v', 'p')
             and (has_table_privilege(%s, c.oid, p.privilege)
               or p.privilege in ('insert', 'update', 'references')
                 and has_any_column_privilege(%s, c.oid, p.privilege))""",
        *(role, role),
    )
    assert writable == []


@pytest.mark.parametrize("role", ROLES)
def test_nobody_reads_a_token_hash(engine: Engine, role: str) -> None:
    hidden = engine.rows(
        """select relname, has_column_privilege(%s, attrelid, attnum, 'select') as readable
           from pg_attribute a join pg_class c on c.oid = attrelid
           where relnamespace = 'pgflow'::regnamespace and attname = 'token_hash' and relkind <> 'i'""",
        role,
    )
    assert {row.relname for row in hidden if row.readable} == set()
    assert {row.relname for row in hidden} >= {"run_steps", "map_tasks", "step_task_attempts", "worker_keys"}


@pytest.mark.parametrize(
    ("role", "readable"),
    [
        ("pgflow_deployer", TABLES[:3]),
        ("pgflow_worker", []),
        ("pgflow_client", [*TABLES[:6], *TABLES[7:11]]),
        ("pgflow_user", ["runs"]),
        ("pgflow_dispatcher", TABLES),
        ("pgflow_viewer", TABLES),
        ("pgflow_owner", TABLES),
    ],
)
def test_a_role_reads_what_the_page_says(engine: Engine, role: str, readable: list[str]) -> None:
    found = engine.rows(
        """select relname from pg_class where relnamespace = 'pgflow'::regnamespace and relkind = 'r'
             and has_any_column_privilege(%s, oid, 'select')""",
        role,
    )
    assert {row.relname for row in found} == set(readable)
