"""Every public function with every odd argument: an answer, or an error of ours that says what is wrong."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg

from .support.definitions import map_step, step
from .support.engine import Engine

ODD: dict[str, list[str]] = {
    "integer": ["null", "-1", "0", "2147483647", "-2147483648"],
    "double precision": ["null", "'nan'", "'infinity'", "'-infinity'", "-1", "0", "1e-300", "1e300"],
    "boolean": ["null"],
    "text": ["null", "''", "repeat('x', 3000)", "'é😀%s'", "chr(10)", "'a,b'", "'run'"],
    "uuid": ["null", "'00000000-0000-0000-0000-000000000000'"],
    "uuid[]": ["null", "'{}'", "array[null]"],
    "integer[]": ["null", "'{}'", "array[null]"],
    "jsonb": [
        *("null", "'null'", "'[]'", "'{}'", "'5'", "'\"x\"'", "'[null]'", "'[5]'", "'[[]]'", "'[{}]'"),
        """'[{"run_id": 5, "step_slug": {}, "task_index": "x", "attempt_token": []}]'""",
        """'[{"run_id": "?", "task_index": 1e20, "outcome": "complete", "outcome": "fail"}]'""",
        """'{"flow_slug": "x", "steps": [{"step_slug": "a", "deps": {"a": 1}}]}'""",
        """'{"flow_slug": "x", "steps": [{"step_slug": "a", "options": {"timeout": 1e-400}}]}'""",
        """'{"flow_slug": "x", "steps": [{"step_slug": "a", "options": {"max_attempts": 1e30}}]}'""",
        "(repeat('[', 500) || repeat(']', 500))::jsonb",
    ],
    "jsonb[]": ["null", "'{}'", "array[null]", "array[array['1', '2'], array['3', '4']]", "'[5:6]={1,2}'"],
    "text[]": ["null", "'{}'", "array[null]", "array['', '']", "array[repeat('y', 5000)]"],
    "timestamp with time zone": ["null", "'infinity'", "'-infinity'", "'4714-11-24 bc'", "'294276-12-31'"],
    "interval": ["null", "'-1 day'", "'0'", "'170000000 years'", "'-170000000 years'"],
}

GOOD = {
    "flow_slug": "'f'",
    "step_slug": "'a'",
    "run_id": f"'{UUID(int=7)}'",
    "task_index": "0",
    "attempt_token": "gen_random_uuid()",
    "executor": "'local'",
    "executors": "array['local']",
    "worker_id": "'w'",
    "instance_id": "'i'",
    "max_tasks": "1",
    "definition": """'{"flow_slug": "g", "steps": [{"step_slug": "a"}]}'""",
    "inputs": "array['1']::jsonb[]",
    "seconds": "1",
    "older_than": "'1 day'",
    "limit": "1",
    "steps": "array[pgflow.step('a')]",
}

OURS = {f"PF00{number}" for number in range(1, 10)}


def functions(engine: Engine) -> list[Any]:
    """Return name, argument names and types, and how many have no default, of every public function."""
    return engine.rows(
        """select p.proname as name, p.pronargs - p.pronargdefaults as needed, p.provariadic <> 0 as variadic,
             p.proargnames[:p.pronargs] as arguments,
             (select array_agg(format_type(t, null) order by n)
              from unnest(p.proargtypes) with ordinality a (t, n)) as types
           from pg_proc p
           where pronamespace = 'pgflow'::regnamespace and proname !~ '^_' and p.pronargs > 0 order by 1"""
    )


def calls(function: Any) -> list[str]:
    """Return calls in which one argument is odd and those needed besides are good."""
    made = []
    for odd, kind in zip(function.arguments, function.types, strict=True):
        for value in ODD[kind]:
            given = []
            for position, (name, other) in enumerate(zip(function.arguments, function.types, strict=True)):
                chosen = value if name == odd else GOOD.get(name) or _plain(other)
                if name == odd or position < function.needed:
                    variadic = "variadic " * (function.variadic and position == len(function.arguments) - 1)
                    named = f'{variadic}"{name}" => ' if not function.variadic else variadic
                    given.append(f"{named}({chosen})::{other}")
            made.append(f"select * from pgflow.{function.name}({', '.join(given)})")
    return made


def _plain(kind: str) -> str:
    known = {"jsonb": "'[]'", "text": "'x'", "boolean": "false", "timestamp with time zone": "now()"}
    return known.get(kind, "'{}'" if kind.endswith("[]") else "1")


def test_an_odd_argument_is_answered_or_refused_by_an_error_of_ours(engine: Engine) -> None:
    """Rule 5, and every other that says what is refused: never an internal error."""
    engine.define("f", step("a"), step("b", "a"), map_step("m", "a"))
    engine.run("f", run_id=UUID(int=7))
    engine.cancel(engine.run("f"))
    engine.claim(1)
    found = functions(engine)
    assert len(found) > 30
    wrong = []
    for call in (call for function in found for call in calls(function)):
        try:
            with engine.connection.transaction(force_rollback=True):
                engine.rows(call)
        except psycopg.Error as error:
            if error.sqlstate not in OURS:
                wrong.append(f"{call}\n    {error.sqlstate} {error.diag.message_primary}")
    assert not wrong, "\n".join(wrong)
