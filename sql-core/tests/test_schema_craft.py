"""How the schema is written: one object per file, nothing open by default, everything explained."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, LiteralString

import pgflow_sql
import psycopg
import pytest

SCHEMA = Path(__file__).parent.parent / "schema"
FILES = sorted(SCHEMA.glob("*.sql"))
OURS: LiteralString = "('pgflow'::regnamespace, 'pgflow_locks'::regnamespace)"
MAX_LINE = 150

#: Files that hold something else than one object.
OF_MANY = {"0010_schemas", "0890_row_security", "0900_grants"}

#: Public functions that touch no table of ours.
WITHOUT_TABLES = ["clock", "schema_version", "flow", "step", "live_status", "grant_roles"]

CREATED = re.compile(
    r"^create (?:function|(?:unlogged )?table|type|view)\s+(?:pgflow|pgflow_locks)\.(\w+)", re.MULTILINE
)
COMMENT = re.compile(r"--[^\n]*")
LITERAL = re.compile(r"'(?:[^']|'')*'")


def offenders(
    connection: psycopg.Connection[dict[str, Any]], query: LiteralString, *params: Any
) -> list[str]:
    return [str(row["name"]) for row in connection.execute(query, params or None).fetchall()]


def test_a_file_holds_the_object_it_is_named_after() -> None:
    held = {path.stem: CREATED.findall(path.read_text()) for path in FILES if path.stem not in OF_MANY}
    assert {
        stem: names for stem, names in held.items() if [n.removeprefix("_") for n in names] != [stem[5:]]
    } == {}


def test_numbers_are_not_used_twice() -> None:
    numbers = [path.name[:4] for path in FILES]
    assert sorted({number for number in numbers if numbers.count(number) > 1}) == []


def test_files_are_lowercase_outside_of_their_words() -> None:
    found = {path.stem: re.findall(r"\b\w*[A-Z]\w*\b", code_of(path)) for path in FILES}
    assert {stem: words for stem, words in found.items() if words} == {}


def test_lines_are_clean() -> None:
    found = {path.stem: [line for line in code_of(path).splitlines() if not is_clean(line)] for path in FILES}
    assert {stem: lines for stem, lines in found.items() if lines} == {}


def code_of(path: Path) -> str:
    return LITERAL.sub("''", COMMENT.sub("", path.read_text()))


def is_clean(line: str) -> bool:
    return len(line) <= MAX_LINE and "\t" not in line


def test_the_bodies_compile_without_a_warning(pgflow_empty_database: str) -> None:
    with psycopg.connect(pgflow_empty_database, autocommit=True) as connection:
        connection.execute("set plpgsql.extra_errors = 'all'")
        pgflow_sql.install(connection)


def test_every_function_pins_its_search_path_or_says_why_not(
    pgflow_connection: psycopg.Connection[dict[str, Any]],
) -> None:
    """With `pg_temp` last: unnamed it is searched first for types, so also by a path of ''."""
    unpinned = offenders(
        pgflow_connection,
        f"""
        select proname as name from pg_proc
        where pronamespace in {OURS}
          and not coalesce(proconfig, '{{}}') @> array['search_path=pg_catalog, pg_temp']
        """,
    )
    reason = "-- Without a pinned search_path, so that the planner inlines it"
    explained = {path.stem[5:] for path in FILES if reason in path.read_text()}
    assert {name.removeprefix("_") for name in unpinned} == explained


def test_the_verbs_run_as_their_owner_and_nothing_else_does(
    pgflow_connection: psycopg.Connection[dict[str, Any]],
) -> None:
    """Who may call a verb has no right to a table; who may call a helper is inside a verb already."""
    wrong = offenders(
        pgflow_connection,
        f"""
        select oid::regprocedure as name from pg_proc
        where pronamespace in {OURS} and proname <> all (%s)
          and prosecdef <> (pronamespace = 'pgflow'::regnamespace and proname !~ '^_')
        """,
        WITHOUT_TABLES,
    )
    assert wrong == []


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        (
            "function",
            f"""select oid::regprocedure as name from pg_proc
                where pronamespace in {OURS} and obj_description(oid, 'pg_proc') is null""",
        ),
        (
            "table or view",
            f"""select oid::regclass as name from pg_class
                where relnamespace in {OURS} and relkind in ('r', 'p', 'v', 'm')
                  and obj_description(oid, 'pg_class') is null""",
        ),
        (
            "type",
            f"""select t.oid::regtype as name from pg_type t left join pg_class c on c.oid = t.typrelid
                where t.typnamespace in {OURS} and (t.typtype in ('e', 'd') or c.relkind = 'c')
                  and obj_description(t.oid, 'pg_type') is null""",
        ),
        (
            "column of a table or of a view for readers",
            f"""select a.attrelid::regclass || '.' || a.attname as name
                from pg_attribute a join pg_class c on c.oid = a.attrelid
                where c.relnamespace in {OURS} and c.relkind in ('r', 'p', 'v', 'm') and c.relname !~ '^_'
                  and a.attnum > 0 and not a.attisdropped and col_description(c.oid, a.attnum) is null""",
        ),
        (
            "index that is not of a constraint",
            f"""select i.indexrelid::regclass as name from pg_index i
                join pg_class c on c.oid = i.indexrelid
                where c.relnamespace in {OURS} and obj_description(c.oid, 'pg_class') is null
                  and not exists (select from pg_constraint k where k.conindid = c.oid)""",
        ),
        (
            "policy",
            f"""select p.polname || ' on ' || p.polrelid::regclass as name
                from pg_policy p join pg_class c on c.oid = p.polrelid
                where c.relnamespace in {OURS} and obj_description(p.oid, 'pg_policy') is null""",
        ),
        (
            "schema",
            f"""select nspname as name from pg_namespace
                where oid in {OURS} and obj_description(oid, 'pg_namespace') is null""",
        ),
    ],
)
def test_everything_is_explained(
    pgflow_connection: psycopg.Connection[dict[str, Any]], kind: str, query: LiteralString
) -> None:
    assert offenders(pgflow_connection, query) == [], f"{kind} without a comment"


def test_nothing_is_granted_to_everybody(pgflow_connection: psycopg.Connection[dict[str, Any]]) -> None:
    granted = offenders(
        pgflow_connection,
        f"""
        select oid::regprocedure::text as name from pg_proc
        where pronamespace in {OURS}
          and exists (select from aclexplode(coalesce(proacl, acldefault('f', proowner))) where grantee = 0)
        union all
        select oid::regclass::text from pg_class
        where relnamespace in {OURS} and relkind in ('r', 'p', 'v', 'm', 'S')
          and exists (select from aclexplode(relacl) where grantee = 0)
        union all
        select oid::regnamespace::text from pg_namespace
        where oid in {OURS} and exists (select from aclexplode(nspacl) where grantee = 0)
        """,
    )
    assert granted == []


def test_every_table_has_row_level_security(pgflow_connection: psycopg.Connection[dict[str, Any]]) -> None:
    open_tables = offenders(
        pgflow_connection,
        f"""select oid::regclass as name from pg_class
            where relnamespace in {OURS} and relkind in ('r', 'p') and not relrowsecurity""",
    )
    assert open_tables == []


def test_every_view_for_readers_has_the_rights_of_its_reader(
    pgflow_connection: psycopg.Connection[dict[str, Any]],
) -> None:
    of_the_owner = offenders(
        pgflow_connection,
        f"""select oid::regclass as name from pg_class
            where relnamespace in {OURS} and relkind = 'v' and relname !~ '^_'
              and not coalesce(reloptions, '{{}}') @> '{{security_invoker=true}}'""",
    )
    assert of_the_owner == []


def test_constraints_have_names_of_their_own(pgflow_connection: psycopg.Connection[dict[str, Any]]) -> None:
    """PostgreSQL's own choice for a check is <table>_<columns>_check, and the like for the other kinds."""
    generated = offenders(
        pgflow_connection,
        f"""
        select conrelid::regclass || ' ' || conname as name from pg_constraint
        where connamespace in {OURS} and contype not in ('n', 'p')
          and conname ~ '_(check|key|fkey|excl)[0-9]*$'
        """,
    )
    assert generated == []


def test_times_know_their_zone(pgflow_connection: psycopg.Connection[dict[str, Any]]) -> None:
    naive = offenders(
        pgflow_connection,
        f"""
        select attrelid::regclass || '.' || attname as name
        from pg_attribute join pg_class on pg_class.oid = attrelid
        where relnamespace in {OURS} and relkind in ('r', 'v') and not attisdropped
          and atttypid <> 'timestamptz'::regtype
          and (atttypid = 'timestamp'::regtype or attname like '%\\_at')
        """,
    )
    assert naive == []


def test_no_index_repeats_another(pgflow_connection: psycopg.Connection[dict[str, Any]]) -> None:
    repeated = offenders(
        pgflow_connection,
        f"""
        select a.indexrelid::regclass || ' = ' || b.indexrelid::regclass as name
        from pg_index a join pg_index b on a.indrelid = b.indrelid and a.indexrelid < b.indexrelid
        join pg_class c on c.oid = a.indexrelid
        where c.relnamespace in {OURS} and a.indkey = b.indkey and a.indpred is not distinct from b.indpred
        """,
    )
    assert repeated == []
