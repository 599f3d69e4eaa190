"""Tell whether a connection hears notifications, by one: no setting and no process id can say it."""

from __future__ import annotations

import secrets
from contextlib import aclosing
from typing import Any, Final

import psycopg

from pgflow.database.connection import aconnect, can_listen
from pgflow.database.execute import afetch
from pgflow.database.statements.operations import listen_echo, send_echo, unlisten_echo

__all__ = ["answers", "is_heard"]

_SECONDS: Final = 20.0
"""Until a connection that should hear counts as deaf: it takes milliseconds, but for the slowest machines."""

_SECONDS_POOLED: Final = 2.0
"""The same through a pooler, where it is to be expected."""


async def answers(connection: psycopg.AsyncConnection[Any], dsn: str, name: str) -> bool:
    """Tell whether a connection hears what is notified through `dsn`.

    One through a pooler in transaction mode does not: what its LISTEN was said to serves others. One to
    another database does not either.
    """
    call = secrets.token_hex(8)
    await afetch(connection, listen_echo())
    async with await aconnect(dsn, application_name=name) as other:
        await afetch(other, send_echo(call))
    seconds = _SECONDS if can_listen(connection) else _SECONDS_POOLED
    heard = False
    async with aclosing(connection.notifies(timeout=seconds)) as notifications:
        async for each in notifications:
            heard = each.payload == call
            if heard:
                break
    await afetch(connection, unlisten_echo())
    return heard


async def is_heard(dsn: str, listen_dsn: str) -> bool:
    """Tell whether a connection of `listen_dsn` hears what is notified through `dsn`."""
    name = "pgflow echo"
    async with await aconnect(listen_dsn, application_name=name, check_schema=False) as connection:
        return await answers(connection, dsn, name)
