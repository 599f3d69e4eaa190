"""Write what follows from the source in docs/reference/: SQL, command line, configuration.

`sql.md` comes from the comments and signatures in a database with the schema; in `cli.md` every block that
shows `pgflow COMMAND --help` is renewed, and a command without one gets it.  The tables of `config.md`,
`kubernetes.md`, `lambda.md` and `supabase.md` come from the settings models.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pgflow_sql
import psycopg
from click.testing import CliRunner
from config_reference import config_page, executor_page
from pgflow.cli.app import SECTIONS, app
from pgflow.embedded import EmbeddedServer
from pgflow.errors import ERROR_BY_SQLSTATE
from pgflow_kubernetes.executor import KubernetesExecutor
from pgflow_lambda.executor import LambdaExecutor
from pgflow_supabase.executor import SupabaseExecutor

REFERENCE: Final = Path(__file__).resolve().parents[1] / "docs" / "reference"

#: The verbs by what they are for; one that is not named here is listed under "More".
GROUPS: Final = {
    "Define": ("define_flow", "flow", "step", "delete_flow"),
    "Start": ("run_flow", "run_flows"),
    "Work": (
        "claim_step_tasks",
        "claim_with_key",
        "start_step_task",
        "heartbeat_step_tasks",
        "complete_step_task",
        "fail_step_task",
        "release_step_tasks",
        "report_step_tasks",
        "exchange_step_tasks",
        "record_launches",
        "next_wake_at",
    ),
    "Look after runs": (
        "cancel_run",
        "retry_run",
        "pause_run",
        "resume_run",
        "pause_executor",
        "resume_executor",
        "start_step",
        "get_run",
        "get_progress",
        "list_runs",
    ),
    "Look after the engine": (
        "maintain",
        "prune_runs",
        "backlog",
        "check_invariants",
        "grant_roles",
        "create_worker_key",
        "revoke_worker_key",
        "clock",
    ),
}
CONTRACT: Final = (
    "flows",
    "steps",
    "deps",
    "runs",
    "step_states",
    "step_tasks",
    "step_task_attempts",
    "task_attempts",
    "task_logs",
    "live_task_logs",
    "task_progress",
)

_FUNCTIONS: Final = """
select p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), obj_description(p.oid)
from pg_proc p
where p.pronamespace = 'pgflow'::regnamespace and left(p.proname, 1) <> '_'
order by p.proname, p.pronargs
"""
_RELATIONS: Final = """
select c.relname, obj_description(c.oid),
  array(
    select concat_ws(chr(9), a.attname, format_type(a.atttypid, a.atttypmod), coalesce(d.description, ''))
    from pg_attribute a
      left join pg_description d
        on d.objoid = c.oid and d.classoid = 'pg_class'::regclass and d.objsubid = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    order by a.attnum)
from pg_class c
where c.relnamespace = 'pgflow'::regnamespace and c.relkind in ('r', 'p', 'v') and left(c.relname, 1) <> '_'
order by c.relname
"""
_HEAD: Final = """# SQL

Every verb is a function of the schema `pgflow`; a call happens whole or not at all, in the caller's
transaction. Times are `timestamptz`, durations are seconds, and an SQL null given as input or output means
JSON null. Names that begin with `_` are the engine's own. `hatch run reference` writes this page from the
comments in `sql-core/schema/`.

"""
_PLUGINS: Final = re.compile(r"^Plugins:\n(?:  .*\n)+\n", re.MULTILINE)
"""What `pgflow --help` adds for whatever is installed beside it."""
_HELP: Final = re.compile(r"```console\n\$ pgflow (?:(?P<name>[\w -]+) )?--help\n.*?```\n", re.DOTALL)


def sql_page(connection: psycopg.Connection[Any]) -> str:
    """Return the SQL reference, of the schema in this database."""
    functions = connection.execute(_FUNCTIONS).fetchall()
    relations = {name: (about, columns) for name, about, columns in connection.execute(_RELATIONS)}
    return "".join((_HEAD, *_errors(), *_verbs(functions), *_contract(relations), *_inner(relations)))


def _errors() -> Iterator[str]:
    yield "## Error codes\n\n| SQLSTATE | In Python | Meaning |\n|---|---|---|\n"
    for state, error in sorted(ERROR_BY_SQLSTATE.items()):
        about = (error.__doc__ or "").partition("\n")[0].replace(f" (SQLSTATE {state})", "")
        yield f"| `{state}` | [`{error.__name__}`](errors.md) | {about} |\n"
    yield "\n"


def _verbs(functions: Iterable[tuple[str, str, str, str | None]]) -> Iterator[str]:
    written: dict[str, list[str]] = {}
    for name, arguments, result, about in functions:
        signature = ",\n".join(f"    {each}" for each in _split(arguments))
        opening = f"{name}(\n{signature}\n)" if signature else f"{name}()"
        text = f"### `{name}`\n\n```text\n{opening} returns {result}\n```\n\n{about or ''}\n\n"
        written.setdefault(name, []).append(text)
    for group, names in {**GROUPS, "More": tuple(written)}.items():
        found = [text for name in names for text in written.pop(name, ())]
        if found:
            yield f"## {group}\n\n"
            yield from found


def _split(arguments: str) -> list[str]:
    """Cut at the commas between arguments; those inside a type stand in parentheses."""
    return [part for part in re.split(r", (?![^(]*\))", arguments) if part]


def _contract(relations: dict[str, tuple[str | None, list[str]]]) -> Iterator[str]:
    yield "## Tables and views to read\n\n"
    for name in CONTRACT:
        about, columns = relations.pop(name)
        yield f"### `{name}`\n\n{about}\n\n| Column | Type | |\n|---|---|---|\n"
        for column in columns:
            title, kind, meaning = column.split("\t")
            yield f"| `{title}` | {kind} | {meaning} |\n"
        yield "\n"


def _inner(relations: dict[str, tuple[str | None, list[str]]]) -> Iterator[str]:
    yield "## Inner tables\n\nNo contract: they may change with any release.\n\n| Table | |\n|---|---|\n"
    for name, (about, _) in relations.items():
        yield f"| `{name}` | {' '.join((about or '').split())} |\n"


def cli_page(text: str) -> str:
    """Return the page of the command line with the help that the commands give now."""
    text = _HELP.sub(lambda found: _help(found["name"]), text)
    named = {found["name"] for found in _HELP.finditer(text)}
    missing = [name for names in SECTIONS.values() for name in names if name not in named]
    return text.rstrip() + "\n" + "".join(f"\n## `pgflow {name}`\n\n{_help(name)}" for name in missing)


def _help(command: str | None) -> str:
    words = [*(command or "").split(), "--help"]
    done = CliRunner().invoke(app, words, prog_name="pgflow", terminal_width=98, catch_exceptions=False)
    shown = _PLUGINS.sub("...\n\n", done.output).rstrip()
    return f"```console\n$ pgflow {' '.join(words)}\n{shown}\n```\n"


def kubernetes_page(text: str) -> str:
    """Return the page of the Kubernetes executor with the settings that it has now."""
    return executor_page(text, KubernetesExecutor)


def lambda_page(text: str) -> str:
    """Return the page of the Lambda executor with the settings that it has now."""
    return executor_page(text, LambdaExecutor)


def supabase_page(text: str) -> str:
    """Return the page of the Supabase executor with the settings that it has now."""
    return executor_page(text, SupabaseExecutor)


def main() -> None:
    """Write the pages."""
    with EmbeddedServer.temporary() as server, psycopg.connect(server.dsn()) as connection:
        pgflow_sql.migrate(connection)
        (REFERENCE / "sql.md").write_text(sql_page(connection), encoding="utf-8")
    pages = {
        "cli.md": cli_page,
        "config.md": config_page,
        "kubernetes.md": kubernetes_page,
        "lambda.md": lambda_page,
        "supabase.md": supabase_page,
    }
    for name, renewed in pages.items():
        page = REFERENCE / name
        page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"Wrote sql.md, {', '.join(pages)}.\n")


if __name__ == "__main__":
    main()
