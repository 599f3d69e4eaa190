"""`pgflow supabase`: a Supabase project that runs flows."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import click
from pgflow.cli.kit import CommandGroup, Problem, Session, migrations, pgflow_command

from pgflow_supabase.project.migrations import Part, Writing, integration_parts, write_migrations
from pgflow_supabase.project.scaffold import write_flow, write_function
from pgflow_supabase.project.settings_file import UnfitSettings, merged_settings, settings_snippet
from pgflow_supabase.vendoring import add_package, has_package

_SLUG = re.compile(r"[a-z][a-z0-9_]*")
_LEFT_TO_DO = """\
Next:
  supabase db push                       the schema, roles and jobs (local: supabase migration up)
  select pgflow.open_flow('{flow}');     lets signed-in users start it (in a migration of your own)
  supabase secrets set PGFLOW_SIGNING_SECRET=...    one of `openssl rand -hex 32`; the dispatcher has the
                                         same in PGFLOW_EXECUTORS__SUPABASE__SIGNING_SECRET
  supabase functions deploy {flow}
  Hosted: add pgflow to the exposed schemas (Project Settings, Data API), and give pgflow dispatch the
  DSN of the session pooler or of the database itself: through the transaction pooler it has to poll."""


@click.group("supabase", cls=CommandGroup, epilog="pgflow supabase init --flow hello")
def command() -> None:
    """Make a Supabase project one that runs flows."""


@pgflow_command(
    "init", example="pgflow supabase init\npgflow supabase init shop --flow order", database=False
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path())
@click.option("--flow", default="hello", show_default=True, help="The flow to write an edge function for.")
def init(session: Session, folder: Path, flow: str) -> None:
    """Write migrations, an edge function and settings into a project of the Supabase CLI.

    FOLDER holds the folder supabase (default: the working directory).  Running it again writes what is
    missing, so after an upgrade of pgflow the new migrations; files that are there are never changed, but
    for config.toml, to which settings are added.
    """
    if _SLUG.fullmatch(flow) is None:
        raise Problem(f"--flow {flow!r} cannot name a function", mend="use a-z, 0-9 and _, from a letter on")
    writing = Writing()
    write_migrations(folder / "supabase" / "migrations", _parts(), datetime.now(UTC), writing)
    write_flow(folder, flow, writing)
    write_function(folder, flow, writing)
    _add_package(folder / "supabase" / "functions", writing)
    snippet = _add_settings(folder / "supabase" / "config.toml", flow, writing)
    _report(session, writing, snippet, flow)


def _parts() -> list[Part]:
    engine = [Part(f"pgflow_{made.version:04d}_{made.name}", made.script) for made in migrations()]
    return [*engine, *integration_parts()]


def _add_package(functions: Path, writing: Writing) -> None:
    if has_package(functions):
        writing.unchanged.append(functions / "_shared" / "pgflow")
    else:
        writing.written.append(add_package(functions))


def _add_settings(path: Path, flow: str, writing: Writing) -> str | None:
    """Add ours to the settings of the Supabase CLI; without a file, return what it needs."""
    if not path.exists():
        return settings_snippet(flow)
    before = path.read_text(encoding="utf-8")
    try:
        after = merged_settings(before, flow)
    except UnfitSettings as error:
        raise Problem(f"{path}: {error}", mend="mend the file, then run this again") from None
    if after == before:
        writing.unchanged.append(path)
    else:
        path.write_text(after, encoding="utf-8", newline="\n")
        writing.written.append(path)
    return None


def _report(session: Session, writing: Writing, snippet: str | None, flow: str) -> None:
    if session.as_json:
        session.output.document(
            {
                "written": writing.written,
                "unchanged": writing.unchanged,
                "kept": writing.kept,
                "config": snippet,
            }
        )
        return
    for path in writing.written:
        session.output.line(f"wrote {path}")
    for path in writing.kept:
        session.output.note(f"{path} is kept, though this release would write another")
    if not writing.written:
        session.output.line("nothing to write: all of it is there")
    if snippet is not None:
        click.echo(f"\nThere is no supabase/config.toml; it needs\n\n{snippet}")
    click.echo(_LEFT_TO_DO.format(flow=flow))


command.add_command(init)
