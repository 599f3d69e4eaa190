"""`pgflow keys`, and a server that lets claims in with what it makes."""

from __future__ import annotations

import json
import re
import signal
import threading

import httpx
import psycopg
import pytest


def test_a_key_is_made_listed_and_revoked(project, database):
    made = project.json(
        "keys", "create", "--executor", "edge", "--executor", "gpu", "--flow", "f", "front-end"
    )
    (listed,) = project.json("keys", "list")
    assert listed["key_id"] == made["key_id"]
    assert (listed["name"], listed["executors"], listed["flows"]) == ("front-end", ["edge", "gpu"], ["f"])
    assert made["key"] not in json.dumps(listed)
    assert "valid" in project.pgflow("keys", "list").stdout
    revoked = project.json("keys", "revoke", made["key_id"])
    assert revoked == {"key_id": made["key_id"], "result": "revoked"}
    assert "already revoked" in project.pgflow("keys", "revoke", made["key_id"]).stdout
    assert "revoked" in project.pgflow("keys", "list").stdout


def test_as_text_the_key_alone_goes_to_standard_output(project, database):
    shown = project.pgflow("keys", "create", "--executor", "edge", "--expires", "1s", "x")
    assert re.fullmatch(r"pgflow_key_[0-9a-f]{64}\n", shown.stdout)
    assert "this once" in shown.stderr


def test_an_expired_key_is_listed_as_such(project, database):
    project.pgflow("keys", "create", "--executor", "edge", "x")
    with psycopg.connect(database) as connection:
        connection.execute("update pgflow.worker_keys set expires_at = now()")
    assert "expired" in project.pgflow("keys", "list").stdout
    assert project.json("keys", "list")[0]["is_expired"] is True


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("create", "x"), 2, "--executor"),
        (("create", "--executor", "", "x"), 2, "empty name"),
        (("create", "--executor", "e", "--expires", "soon", "x"), 2, "not a duration"),
        (("revoke", "pgflow_key_00"), 2, "KEY_ID"),
        (("revoke", "00000000-0000-0000-0000-000000000000"), 2, "no worker key"),
        (("crate",), 2, "did you mean `create`?"),
        (("revoke",), 2, "`pgflow keys revoke --help`"),
    ],
)
def test_wrong_use_is_told(project, database, arguments, code, said):
    assert said in project.pgflow("keys", *arguments, code=code).stderr


@pytest.mark.parametrize("subcommand", ["create", "list", "revoke"])
def test_every_subcommand_explains_itself(project, subcommand):
    shown = project.pgflow("keys", subcommand, "--help").stdout
    assert f"Example:\n  pgflow keys {subcommand}" in shown
    assert "--json" in shown


def test_a_claim_that_waits_is_answered_when_the_server_stops(project, database):
    key = project.json("keys", "create", "--executor", "edge", "x")["key"]
    with project.serving("serve", "--http", "127.0.0.1:0") as server:
        address = re.search(r"http://\S+", server.wait_for("serves /healthz"))[0]
        answers = []

        def wait():
            body = {"executor": "edge", "worker_id": "w", "wait_seconds": 30}
            bearer = {"Authorization": f"Bearer {key}"}
            answers.append(
                httpx.post(
                    f"{address}/v1/tasks/claim", json=body, headers=bearer, timeout=60, trust_env=False
                )
            )

        waiting = threading.Thread(target=wait)
        waiting.start()
        server.wait_for("listening for ready tasks")  # the claim is there
        assert server.stop(signal.SIGTERM) == 0
        waiting.join(60)
        assert (answers[0].status_code, answers[0].json()) == (200, {"tasks": []})
