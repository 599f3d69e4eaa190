"""The SQL of the PGFlow engine, and the loader that installs it. Imports the standard library only."""

from pgflow_sql.errors import ForeignSchema, MigrationChanged, MigrationError, SchemaTooNew
from pgflow_sql.indexes import index_names
from pgflow_sql.migration import (
    SCHEMA_VERSION,
    Migration,
    initial_migration,
    install_script,
    migration_script,
    migrations,
)
from pgflow_sql.runner import Connection, Cursor, install, installed_migrations, migrate, pending_migrations

__all__ = [
    "SCHEMA_VERSION",
    "Connection",
    "Cursor",
    "ForeignSchema",
    "Migration",
    "MigrationChanged",
    "MigrationError",
    "SchemaTooNew",
    "index_names",
    "initial_migration",
    "install",
    "install_script",
    "installed_migrations",
    "migrate",
    "migration_script",
    "migrations",
    "pending_migrations",
]
