"""Fixtures of the engine's tests: drivers over fresh databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from .support.engine import Engine

_HANG_GUARD = "30s"


def connect(dsn: str) -> psycopg.Connection[Any]:
    """Return an autocommit connection whose statements cannot hang a test."""
    connection: psycopg.Connection[Any] = psycopg.connect(dsn, autocommit=True)
    connection.execute(f"set statement_timeout = '{_HANG_GUARD}'")
    return connection


@pytest.fixture
def open_engine(pgflow_database: str) -> Iterator[Callable[[], Engine]]:
    """A function that opens one more session on the test's database."""
    with ExitStack() as stack:
        yield lambda: Engine(stack.enter_context(connect(pgflow_database)))


@pytest.fixture
def engine(open_engine: Callable[[], Engine]) -> Engine:
    """A driver over one session of the test's database."""
    return open_engine()
