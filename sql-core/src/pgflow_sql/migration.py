"""The migrations: what each one is, and the statements that apply it."""

import hashlib
from dataclasses import dataclass
from functools import cache

from pgflow_sql.files import read_sql, sql_files

#: The number of the last migration, which is also what `pgflow.schema_version()` answers.
SCHEMA_VERSION = 1

#: The lock of `pgflow_locks.lock_migration()`, which does not exist yet when the first migration runs.
LOCK_STATEMENT = "select pg_catalog.pg_advisory_xact_lock(7150101, 0);"


#: After each migration, so that what it made is for nobody but the roles: the first one has it at its end.
GRANT_STATEMENT = "select pgflow.grant_roles();\n"


@dataclass(frozen=True)
class Migration:
    """One step of the path from an empty database to the present schema."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text in hexadecimal, as recorded in `pgflow.migrations`."""
        return hashlib.sha256(self.sql.encode("utf-8")).hexdigest()

    @property
    def record(self) -> str:
        """The statement that says that a database has it."""
        return (
            "insert into pgflow.migrations (version, name, checksum)\n"
            f"values ({self.version}, '{self.name}', '{self.checksum}');\n"
        )

    @property
    def script(self) -> str:
        """The migration for a tool that runs each file in a transaction of its own.

        It refuses to run on a database of any other version than the one before.
        """
        title = f"-- PGFlow {self.version:04d} {self.name.replace('_', ' ')}"
        parts = (title, LOCK_STATEMENT, _guard(self.version), self.statements().rstrip())
        return "\n".join(parts) + "\n"

    def statements(self) -> str:
        """The migration and its record, to be run in one transaction that holds the migration lock."""
        return f"{self.sql.rstrip()}\n\n{GRANT_STATEMENT if self.version > 1 else ''}{self.record}"


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations of this release, oldest first, without gaps."""
    found = tuple(Migration(number, name, read_sql(path)) for number, name, path in sql_files("migrations"))
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"The migrations are not numbered 1 to {len(found)}.")
    return found


def install_script() -> str:
    """The whole present schema for an empty database, without a record of migrations."""
    return "\n".join(f"{read_sql(path).rstrip()}\n" for _, _, path in sql_files("schema"))


def initial_migration() -> str:
    """The first migration as it should be until the first release: the present schema."""
    return f"-- Generated from ../schema by scripts/refresh.py: change the files there.\n\n{install_script()}"


def migration_script(from_version: int = 0) -> str:
    """What brings a database from a version to the present one, for psql: one transaction per migration.

    Each transaction refuses to run on a database of any other version.
    """
    if not 0 <= from_version <= SCHEMA_VERSION:
        raise ValueError(f"from_version is between 0 and {SCHEMA_VERSION}, not {from_version}.")
    pending = [migration for migration in migrations() if migration.version > from_version]
    return "\n".join(_transaction(migration) for migration in pending)


def _transaction(migration: Migration) -> str:
    return f"begin;\n{migration.script}commit;\n"


def _guard(version: int) -> str:
    if version == 1:
        return ""  # `create schema pgflow` is the guard
    return f"""do $guard$
begin
  if (select max(version) from pgflow.migrations) <> {version - 1} then
    raise 'this script needs a database with version {version - 1} of the PGFlow schema';
  end if;
end
$guard$;"""  # noqa: S608  both are our own numbers
