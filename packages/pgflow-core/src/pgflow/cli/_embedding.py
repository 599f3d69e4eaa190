"""The embedded PostgreSQL of a project, with the schema of this release."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pgflow_sql import MigrationChanged

from pgflow.cli._migrations import migrate
from pgflow.cli._problems import Failure
from pgflow.config import Embedded
from pgflow.embedded import EmbeddedServer
from pgflow.errors import DatabaseError

__all__ = ["migrated_server", "start_server"]


def start_server(choice: Embedded) -> EmbeddedServer:
    """Start the server, or join the running one."""
    return EmbeddedServer.ensure(choice.data_dir, version=choice.version, port=choice.port)


def migrated_server(choice: Embedded, say: Callable[[str], None]) -> EmbeddedServer:
    """Start the server and migrate it; what another build of PGFlow left there is set aside, not deleted.

    Raises Failure if the database cannot be migrated.
    """
    server = start_server(choice)
    try:
        migrate(server.dsn())
    except DatabaseError as error:
        server.stop()
        if server.attached or not isinstance(error.__cause__, MigrationChanged):
            mend = f"it is for development only: remove {choice.data_dir} to start with a new one"
            raise Failure(str(error), mend=mend, kind=type(error).__name__) from error
    except BaseException:
        server.stop()
        raise
    else:
        return server
    kept = _set_aside(choice.data_dir)
    say(f"the embedded database was made by another build of PGFlow; it is kept in {kept}")
    server = start_server(choice)
    migrate(server.dsn())
    return server


def _set_aside(folder: Path) -> Path:
    return folder.rename(folder.with_name(f"{folder.name}-until-{datetime.now():%Y%m%d-%H%M%S}"))
