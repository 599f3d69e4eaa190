"""Why a database was not migrated. Core maps these to its own errors of the same names."""


class MigrationError(Exception):
    """The database cannot be migrated."""


class ForeignSchema(MigrationError):
    """The schemas pgflow or pgflow_locks exist and were not made by PGFlow's migrations."""


class SchemaTooNew(MigrationError):
    """The database was migrated by a newer release."""


class MigrationChanged(MigrationError):
    """A migration that the database has is not the one that this release has."""
