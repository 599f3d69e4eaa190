from typing import Any

import psycopg


def test_a_database_has_the_schema(pgflow_connection: psycopg.Connection[dict[str, Any]]) -> None:
    row = pgflow_connection.execute("select pgflow.schema_version() as version").fetchone()
    assert row == {"version": 1}


def test_databases_are_apart(pgflow_database: str) -> None:
    with psycopg.connect(pgflow_database) as connection:
        assert connection.execute("select to_regclass('public.mark')").fetchone() == (None,)
        connection.execute("create table public.mark ()")


def test_databases_are_apart_again(pgflow_database: str) -> None:
    test_databases_are_apart(pgflow_database)
