"""Which database a client talks to when it is given no DSN."""

from __future__ import annotations

__all__ = ["configured_dsn"]


def configured_dsn() -> str:
    """Take the DSN of PGFLOW_DSN, DATABASE_URL or pgflow.toml, else that of the embedded server.

    The embedded server is started if need be, and held until this process ends.
    """
    from pgflow.config import Database, load

    choice = load().database()
    if isinstance(choice, Database):
        return choice.dsn.get_secret_value()
    from pgflow.embedded import EmbeddedServer

    return EmbeddedServer.ensure(choice.data_dir, version=choice.version, port=choice.port).dsn()
