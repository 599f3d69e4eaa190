"""`pgflow migrate`: the schema."""

from __future__ import annotations

import click
import pgflow_sql

from pgflow.cli._command import pgflow_command
from pgflow.cli._migrations import migrate
from pgflow.cli._problems import Problem
from pgflow.cli._session import Session


@pgflow_command(
    "migrate", example="pgflow migrate --dsn postgresql://localhost/app\npgflow migrate --sql > pgflow.sql"
)
@click.option("--sql", "as_sql", is_flag=True, help="Print the SQL instead of running it; needs no database.")
@click.option(
    "--from",
    "from_version",
    type=click.IntRange(0, pgflow_sql.SCHEMA_VERSION),
    default=0,
    metavar="VERSION",
    help="With --sql: the schema version that the database has already (0: none).",
)
def command(session: Session, as_sql: bool, from_version: int) -> None:
    """Install the schema, or bring it up to date.

    Each migration is one transaction; several sessions may migrate at once.  Running it again changes
    nothing.
    """
    output = session.output
    if from_version and not as_sql:
        raise Problem("--from is for printing the SQL", mend="add --sql; a database knows its own version")
    if as_sql:
        script = pgflow_sql.migration_script(from_version)
        if session.as_json:
            output.document(
                {"from_version": from_version, "version": pgflow_sql.SCHEMA_VERSION, "sql": script}
            )
        else:
            click.echo(script, nl=False)
        return
    with session.database(migrated=False) as opened:
        applied = migrate(opened.dsn)
    if session.as_json:
        names = [{"version": migration.version, "name": migration.name} for migration in applied]
        output.document({"version": pgflow_sql.SCHEMA_VERSION, "applied": names})
        return
    for migration in applied:
        output.line(f"applied {migration.version:04d} {migration.name.replace('_', ' ')}")
    state = "" if applied else "already "
    output.line(f"{state}at schema version {pgflow_sql.SCHEMA_VERSION}: {opened.description}")
