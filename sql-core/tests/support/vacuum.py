"""Keep autovacuum out of a test."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql


def keep_out(connection: psycopg.Connection[Any]) -> None:
    """Let only the test vacuum and analyse.

    Besides statistics, a vacuum changes what a sweep does: it holds locks for a moment, and a sweep that does
    not get a lock within a millisecond looks again a second later.
    """
    tables = connection.execute(
        """select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where n.nspname = 'pgflow' and c.relkind = 'r'"""
    ).fetchall()
    for table in tables:
        connection.execute(
            sql.SQL("alter table {} set (autovacuum_enabled = off)").format(sql.Identifier(*tuple(table)))
        )
