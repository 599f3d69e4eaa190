"""What one command works with: its configuration, its database, its output."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from logging import Logger

    from psycopg import Connection

    from pgflow.cli._output import Output
    from pgflow.config import Config, Embedded

__all__ = ["IS_CHILD", "Opened", "Session"]

#: Set where another command started this one, and warned in its place.
IS_CHILD: Final = "_PGFLOW_IS_CHILD"


@dataclass(frozen=True, slots=True)
class Opened:
    """A database that answers while the command lasts."""

    dsn: str
    description: str
    """How to name it to people; holds no password."""
    is_embedded: bool = False
    is_ours: bool = False
    """This command started the embedded server, so no dispatcher can be serving it yet."""


@dataclass
class Session:
    """The options every command has, and what follows from them."""

    as_json: bool
    config_file: Path | None = None
    dsn: str | None = None
    log: Logger | None = None
    """The log of a serving command, which takes its warnings too."""

    @cached_property
    def config(self) -> Config:
        """The configuration, read on first use."""
        from pgflow.config import load

        return load(file=self.config_file)

    @cached_property
    def output(self) -> Output:
        """The command's streams."""
        from pgflow.cli._output import Output

        return Output(as_json=self.as_json)

    def repeated_options(self, *, as_json: bool) -> list[str]:
        """Give the options under which a command of another process reads the same configuration."""
        chosen = [] if self.config_file is None else ["--config", str(self.config_file.resolve())]
        return [*chosen, "--json"] if as_json else chosen

    @contextmanager
    def database(self, *, migrated: bool = True) -> Generator[Opened]:
        """Open the configured database.

        An embedded server is started, migrated (its data is ours to migrate), and stopped after its last
        user; a database named by a DSN is left as it is.
        """
        from pgflow.config import Database

        self._warn_of_variables()
        choice = self.config.database(self.dsn)
        if isinstance(choice, Database):
            yield Opened(choice.dsn.get_secret_value(), str(choice))
        else:
            with self._embedded(choice, migrated=migrated) as opened:
                yield opened

    def _warn_of_variables(self) -> None:
        if IS_CHILD in os.environ:
            return
        from pgflow.variables import unknown_variables

        warn = self.output.warning if self.log is None else self.log.warning
        for unknown in unknown_variables(os.environ):
            warn(unknown)

    @contextmanager
    def _embedded(self, choice: Embedded, *, migrated: bool) -> Generator[Opened]:
        from pgflow.cli._embedding import migrated_server, start_server

        with migrated_server(choice, self.output.note) if migrated else start_server(choice) as server:
            yield Opened(server.dsn(), str(choice), is_embedded=True, is_ours=not server.attached)

    @contextmanager
    def connection(self) -> Generator[Connection[Any]]:
        """Open a connection to the configured database, whose schema is checked."""
        from pgflow.database.connection import connect

        with self.database() as opened, connect(opened.dsn, application_name="pgflow cli") as connection:
            yield connection
