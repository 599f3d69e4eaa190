"""Connections: what goes wrong is said clearly, and what may be sent again is."""

from __future__ import annotations

import socket
import threading

import psycopg
import pytest
from pgflow import (
    Client,
    ConfigError,
    DatabaseError,
    DatabaseUnreachable,
    ForeignSchema,
    SchemaMissing,
    SchemaTooNew,
    SchemaTooOld,
)
from pgflow.database import Statement, can_listen, connect, fetch
from pgflow.database.statement import scalar
from pgflow.database.statements.operations import check_invariants, maintain, prune_runs
from psycopg.conninfo import make_conninfo
from trial import single


def test_unreachable_server_is_named_without_the_password():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(DatabaseUnreachable) as caught:
        connect(f"postgresql://ada:s3cret@127.0.0.1:{port}/shop")
    message = str(caught.value)
    assert message.startswith(f"cannot connect to PostgreSQL at 127.0.0.1, port {port}, database 'shop': ")
    assert ": Connection refused. Check that the server runs and that the DSN" in message
    assert "?" not in message
    assert "s3cret" not in message
    assert caught.value.__cause__ is None


def test_a_database_that_no_dsn_names_is_that_of_the_user():
    with pytest.raises(DatabaseUnreachable, match=r"port 1, the user's own database: .*"):
        connect("host=127.0.0.1 port=1")


@pytest.mark.parametrize("dsn", ["postgresql://ada:s3@cret@127.0.0.1/shop", "host=127.0.0.1 s3 cret"])
def test_unreadable_dsn_is_not_repeated(dsn):
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        connect(dsn)
    assert "cret" not in str(caught.value)


def test_missing_database_is_named_with_the_mend(pgflow_database):
    with pytest.raises(DatabaseUnreachable, match="Create that database"):
        connect(make_conninfo(pgflow_database, dbname="no_such_database"))


def test_wrong_password_points_to_the_dsn(pgflow_database):
    with pytest.raises(DatabaseUnreachable, match="Check the user and the password"):
        connect(make_conninfo(pgflow_database, user="nobody_here", password="wrong"))


def test_database_without_the_schema_says_how_to_get_it(pgflow_server):
    with pytest.raises(SchemaMissing, match="pgflow migrate"):
        connect(pgflow_server.dsn("postgres"))
    connect(pgflow_server.dsn("postgres"), check_schema=False).close()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("drop function pgflow.schema_version()", ForeignSchema),
        (
            "create or replace function pgflow.schema_version() returns int language sql as 'select 0'",
            SchemaTooOld,
        ),
        (
            "create or replace function pgflow.schema_version() returns int language sql as 'select 9999'",
            SchemaTooNew,
        ),
    ],
)
def test_schema_that_does_not_fit(pgflow_database, change, error):
    with psycopg.connect(pgflow_database, autocommit=True) as connection:
        (before,) = connection.execute(
            "select pg_get_functiondef('pgflow.schema_version'::regproc)"
        ).fetchone()
        connection.execute(change)
        try:
            with pytest.raises(error):
                connect(pgflow_database)
        finally:
            connection.execute(before)


def test_direct_connection_prepares_and_listens(pgflow_database):
    with connect(pgflow_database) as connection:
        assert can_listen(connection)
        assert connection.autocommit


def test_keepalives_are_set_unless_the_dsn_says_otherwise(pgflow_database):
    with connect(pgflow_database, application_name="trial") as connection:
        given = connection.info.get_parameters()
        assert given["application_name"] == "trial"
        assert given["keepalives_idle"] == "30"
    with connect(make_conninfo(pgflow_database, keepalives_idle=7, application_name="mine")) as connection:
        given = connection.info.get_parameters()
        assert (given["keepalives_idle"], given["application_name"]) == ("7", "mine")


def test_lock_timeouts_are_tried_again_until_the_lock_is_free(pgflow_database):
    busy = Statement("select pg_advisory_xact_lock(42)", parse=scalar)
    with connect(pgflow_database) as holder, connect(pgflow_database) as waiter:
        holder.execute("select pg_advisory_lock(42)")
        waiter.execute("set lock_timeout to '20ms'")
        release = threading.Timer(0.2, lambda: holder.execute("select pg_advisory_unlock(42)"))
        release.start()
        fetch(waiter, busy)
        release.join()


def test_upkeep_statements(pgflow_database):
    with connect(pgflow_database) as connection:
        assert fetch(connection, prune_runs(3600, 10)) == 0
        assert fetch(connection, check_invariants()) == []
        assert fetch(connection, maintain()) is False


def test_inside_a_transaction_nothing_is_tried_again(pgflow_database):
    busy = Statement("select pg_advisory_xact_lock(42)", parse=scalar)
    with connect(pgflow_database) as holder, connect(pgflow_database) as waiter:
        holder.execute("select pg_advisory_lock(42)")
        waiter.execute("set lock_timeout to '20ms'")
        waiter.execute("begin")
        with pytest.raises(DatabaseError) as caught:
            fetch(waiter, busy)
    assert caught.value.sqlstate == "55P03"


def test_client_works_through_a_transaction_pooler_by_polling(pooled, worker):
    with connect(pooled) as connection:
        assert not can_listen(connection)
    with Client(pooled) as client:
        client.deploy(single)
        for number in range(10):  # more often than psycopg needs to prepare a statement
            assert client.start(single, number).result(30) == 2 * number
