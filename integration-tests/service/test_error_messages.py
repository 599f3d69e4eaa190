"""Every error of PGFlow, met as a user meets it: what is wrong, where it is, and how to mend it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pgflow import Client, Node, current_task, errors, flow, run_inline, step
from pgflow.config import load
from pgflow.database import connect, fetch
from pgflow.database.statements.keys import claim_with_key
from pgflow.envelope import Envelope
from pgflow.plugins import load_plugins
from pgflow.runtime.call import run_handler
from pgflow.runtime.context import Task, entered
from pgflow_sql import migrate
from psycopg.conninfo import make_conninfo
from trial import Order, billing, double, refusing, single

NOBODY = uuid.UUID(int=7)


class Cancelled:
    """What a worker answers to a heartbeat of an attempt that is over."""

    def heartbeat(self) -> str:
        return "cancel"


def as_user(dsn: str, name: str, role: str = "pgflow_client") -> str:
    """Connect as PostgREST does for a user of its own."""
    claims = json.dumps({"sub": name}, separators=(",", ":"))
    return make_conninfo(dsn, options=f"-c role={role} -c request.jwt.claims={claims}")


def run_sql(dsn: str, query: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(query)


# Without a database


def ill_defined(folder: Path) -> None:
    @flow
    def wrong(number: Node[int]) -> Node[int]:
        return step(double, number, max_attempts=0)


def misconfigured(folder: Path) -> None:
    (folder / "pgflow.toml").write_text("[dispatcher]\ngarce = 60\n")
    load(folder)


def out_of_reach(folder: Path) -> None:
    with Client("postgresql://ada@127.0.0.1:1/shop") as client:
        client.runs()


def cancelled_in_the_handler(folder: Path) -> None:
    task = Task(NOBODY, "shop", "pack", 0, 1, host=Cancelled())  # type: ignore[arg-type]
    with entered(task):
        current_task().heartbeat()


Scene = Callable[[Any], object]

ALONE: dict[type[Exception], tuple[Scene, list[str]]] = {
    errors.DefinitionError: (
        ill_defined,
        ["flow 'wrong', step 'double', option 'max_attempts'", "takes 1 to 1000000, not 0"],
    ),
    errors.ConfigError: (misconfigured, ["pgflow.toml", "dispatcher.garce", "did you mean `grace`?"]),
    errors.DatabaseUnreachable: (
        out_of_reach,
        ["127.0.0.1, port 1, database 'shop'", "Connection refused", "Check that the server runs"],
    ),
    errors.InputError: (
        lambda _: run_inline(billing, Order("ada", ["many"])),  # type: ignore[list-item]
        ["the input of flow 'billing'", "amounts.0", "should be a valid integer"],
    ),
    errors.RunFailed: (
        lambda _: run_inline(refusing, 3),
        ["at step 'refuse'", "NON_RETRYABLE", "no 3 today"],
    ),
    errors.NonRetryable: (lambda _: run_handler("trial:refuse", None, '{"run":3}'), ["no 3 today"]),
    errors.RetryAfter: (lambda _: run_handler("trial:come_later", None, '{"run":3}'), ["opens at nine"]),
    errors.HandlerMissing: (
        lambda _: run_handler("trial:duoble", None, "{}"),
        ["module 'trial' has no function 'duoble'", "deploy the flow again"],
    ),
    errors.InputInvalid: (
        lambda _: run_handler("trial:double", None, '{"a":1,"b":2}'),
        ["trial:double takes 'number'", "the input has a, b", "give the step params"],
    ),
    errors.OutputInvalid: (
        lambda _: run_handler("trial:say_four", None, '{"run":3}'),
        ["the result of", ":say_four is not valid", "should be a valid integer"],
    ),
    errors.HandlerAborted: (
        lambda _: run_handler("trial:leave", None, '{"run":3}'),
        ["the handler ended with SystemExit: 3"],
    ),
    errors.EnvelopeInvalid: (
        lambda _: Envelope.parse('{"v":99}'),
        ["of version 99", "reads version 1", "use the same pgflow-core"],
    ),
    errors.NotInTask: (lambda _: current_task(), ["no current task", "only inside a handler"]),
    errors.TaskCancelled: (cancelled_in_the_handler, ["attempt 1 of step 'pack' was cancelled"]),
}


# On a database


def asked(what: Callable[[Client], object]) -> Scene:
    """Ask a client of the database."""

    def ask(dsn: str) -> None:
        with Client(dsn) as client:
            what(client)

    return ask


def conflicting(dsn: str) -> None:
    with Client(dsn) as client:
        client.start(single, 1, run_id=NOBODY)
        client.start(single, 2, run_id=NOBODY)


def not_ended(dsn: str) -> None:
    with Client(dsn) as client:
        client.retry(client.start(single, 1).run_id)


def cancelled(dsn: str) -> None:
    with Client(dsn) as client:
        handle = client.start(single, 1)
        handle.cancel("out of tea")
        handle.result(30)


def belonging_to_bob(dsn: str) -> None:
    with Client(as_user(dsn, "bob")) as bob, Client(as_user(dsn, "ada")) as ada:
        ada.cancel(bob.start(single, 1).run_id)


def not_granted(dsn: str) -> None:
    with Client(as_user(dsn, "ada")) as client:
        client.deploy(single)


def without_a_key(dsn: str) -> None:
    with connect(dsn) as connection:
        fetch(connection, claim_with_key("pgflow_key_none", "local", "w", 1))


def of_version(dsn: str, number: int) -> None:
    query = f"create or replace function pgflow.schema_version() returns int language sql return {number}"
    run_sql(dsn, query)
    asked(Client.runs)(dsn)


def of_another(dsn: str) -> None:
    run_sql(dsn, "drop schema pgflow cascade; create schema pgflow")
    asked(Client.runs)(dsn)


def unmigrated(dsn: str) -> None:
    run_sql(dsn, "drop schema pgflow cascade")
    asked(Client.runs)(dsn)


#: In this order: the last ones break the schema.
ON_A_DATABASE: dict[type[Exception], tuple[Scene, list[str]]] = {
    errors.FlowNotFound: (
        asked(lambda client: client.start(billing, Order("ada", []))),
        ['no flow "billing". Deploy it first: pgflow deploy'],
    ),
    errors.RunNotFound: (
        asked(lambda client: client.cancel(uuid.UUID(int=8))),
        ["no run 00000000-0000-0000-0000-000000000008. Check the id and the database"],
    ),
    errors.Conflict: (conflicting, [f"run {NOBODY} exists already", "Give every run an id of its own"]),
    errors.NotPossible: (not_ended, ["is still running. Cancel it first, or wait for its end."]),
    errors.RunCancelled: (cancelled, ["was cancelled: out of tea"]),
    errors.NotYours: (
        belonging_to_bob,
        ['belongs to another user than "ada". Connect as the user who started it'],
    ),
    errors.KeyRefused: (
        without_a_key,
        ["worker key is unknown, was revoked, or has expired. Have a new one made: pgflow keys create"],
    ),
    errors.TooLarge: (
        asked(lambda client: client.start(single, 1, tags={"note": "x" * 20_000})),
        ["tags has 20020 bytes, more than the 16384 allowed: store the data elsewhere"],
    ),
    errors.BadInput: (
        asked(lambda client: client.start(single, 1, priority=1000)),
        ["priority must be between -100 and 100, not 1000"],
    ),
    errors.DatabaseError: (
        not_granted,
        ["permission denied for function define_flow", "grant pgflow_deployer to"],
    ),
    errors.SchemaTooOld: (lambda dsn: of_version(dsn, 0), ["has PGFlow schema 0", "run `pgflow migrate`"]),
    errors.SchemaTooNew: (lambda dsn: of_version(dsn, 99), ["has PGFlow schema 99", "upgrade pgflow-core"]),
    errors.ForeignSchema: (
        of_another,
        ["a schema named pgflow that is not PGFlow's", "use another database"],
    ),
    errors.SchemaMissing: (unmigrated, ["has no PGFlow schema", "run `pgflow migrate`"]),
}

NEVER_RAISED = {errors.PgflowError, errors.HandlerError}
"""To catch, with all that are kinds of them."""


def complaints(cls: type[Exception], scene: Scene, subject: object, said: list[str]) -> list[str]:
    """Say what is wrong with how a scene ends."""
    with pytest.raises(errors.PgflowError) as caught:
        scene(subject)
    message = str(caught.value)
    missing = [part for part in said if part not in message]
    kind = [] if type(caught.value) is cls else [f"{type(caught.value).__name__} instead of {cls.__name__}"]
    return kind + [f"{part!r} is not in: {message}" for part in missing]


@pytest.mark.parametrize("cls", ALONE, ids=lambda cls: cls.__name__)
def test_an_error_without_a_database_says_what_where_and_how_to_mend_it(cls, tmp_path):
    assert complaints(cls, ALONE[cls][0], tmp_path, ALONE[cls][1]) == []


def test_errors_of_the_database_say_what_where_and_how_to_mend_it(pgflow_empty_database):
    with psycopg.connect(pgflow_empty_database, autocommit=True) as connection:
        migrate(connection)
    asked(lambda client: client.deploy(single))(pgflow_empty_database)
    found = {
        cls: complaints(cls, scene, pgflow_empty_database, said)
        for cls, (scene, said) in ON_A_DATABASE.items()
    }
    assert {cls.__name__: wrong for cls, wrong in found.items() if wrong} == {}


def test_a_plugin_that_is_not_there_is_named_with_its_mend(monkeypatch):
    monkeypatch.setenv("PGFLOW_PLUGINS", "gpu")
    (problem,) = load_plugins().problems
    assert "gpu" in str(problem)
    assert "no such plugin is installed" in str(problem)
    assert "install the distribution" in problem.mend


def test_every_class_has_its_scene():
    classes = {getattr(errors, name) for name in errors.__all__ if name != "ERROR_BY_SQLSTATE"}
    assert classes - NEVER_RAISED - {errors.PluginError} == ALONE.keys() | ON_A_DATABASE.keys()
