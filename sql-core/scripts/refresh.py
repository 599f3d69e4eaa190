"""Bring the generated SQL up to date with `schema/`: run it after every change there.

Before the first release the initial migration is the schema itself; afterwards a change needs a migration of
its own, written by hand, and this script only renews the snapshot.
"""

import sys
from pathlib import Path

import pgflow_sql
import psycopg
from pgflow.embedded import EmbeddedServer
from pgflow_testing.dump import dump_schema

_ROOT = Path(__file__).parent.parent
INITIAL = _ROOT / "migrations" / "0001_initial.sql"
SNAPSHOT = _ROOT / "schema.snapshot.sql"


def main() -> None:
    """Write the initial migration and the snapshot."""
    INITIAL.parent.mkdir(exist_ok=True)
    INITIAL.write_text(pgflow_sql.initial_migration(), encoding="utf-8", newline="\n")
    with EmbeddedServer.temporary() as server:
        with psycopg.connect(server.dsn()) as connection:
            pgflow_sql.migrate(connection)
        SNAPSHOT.write_text(dump_schema(server.dsn()), encoding="utf-8", newline="\n")
    sys.stdout.write(f"Wrote {INITIAL.name} and {SNAPSHOT.name}.\n")


if __name__ == "__main__":
    main()
