"""The check whether dispatchers would hear of new tasks: a notification, sent and awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from pgflow.cli._doctor.findings import Finding
from pgflow.config import Config
from pgflow.database.echo import is_heard
from pgflow.errors import ConfigError, DatabaseUnreachable

__all__ = ["pooler"]

_MEND = "give dispatchers a direct connection: listen_dsn in [dispatcher] of pgflow.toml"


def pooler(dsn: str, config: Config) -> Iterator[Finding]:
    """Nothing is heard where dispatchers listen: they poll, and start tasks later."""
    listen_dsn = config.settings.dispatcher.listen_dsn
    try:
        if asyncio.run(is_heard(dsn, dsn if listen_dsn is None else listen_dsn.get_secret_value())):
            return
    except (ConfigError, DatabaseUnreachable) as error:
        yield Finding("pooler", "error", "LISTEN", f"listen_dsn: {error}", _MEND)
        return
    if listen_dsn is None:
        found = "the DSN leads to a pooler in transaction mode: dispatchers poll, and start tasks later"
        yield Finding("pooler", "warning", "LISTEN", found, _MEND)
    else:
        found = "listen_dsn leads to a pooler in transaction mode, or to another database than the DSN"
        yield Finding(
            "pooler", "warning", "LISTEN", f"{found}: dispatchers poll, and start tasks later", _MEND
        )
