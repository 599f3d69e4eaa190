"""What a handle gives for flows that return several nodes, and for runs that are retried."""

import json

import pytest
from pgflow import Client, RunFailed
from trial import chain, inner_and_last, named


@pytest.fixture
def client(pgflow_database):
    with Client(pgflow_database) as client:
        yield client


@pytest.fixture
def report(pgflow_connection):
    """A function that claims the next task and ends it: with an output, or failed."""

    def do(step: str, output: int | None) -> None:
        (task,) = pgflow_connection.execute(
            "select * from pgflow.claim_step_tasks('local', 'w', 1)"
        ).fetchall()
        assert task["step_slug"] == step
        key = (task["run_id"], step, 0, task["attempt_token"])
        if output is None:
            error = json.dumps({"message": "no"})
            pgflow_connection.execute(
                "select pgflow.fail_step_task(%s, %s, %s, %s, %s, false)", (*key, error)
            )
        else:
            pgflow_connection.execute(
                "select pgflow.complete_step_task(%s, %s, %s, %s, %s)", (*key, json.dumps(output))
            )

    return do


@pytest.mark.parametrize(
    ("flow", "result"),
    [
        (inner_and_last, lambda inner, last: (inner, last)),
        (named, lambda inner, last: {"last": last, "inner": inner}),
    ],
)
def test_several_results_are_those_of_the_latest_round(client, report, flow, result):
    client.deploy(flow)
    handle = client.start(flow, 1)
    report("double", 2)
    report("negate", None)
    with pytest.raises(RunFailed):
        handle.result(30)
    client.retry(handle.run_id)
    report("negate", -2)
    assert handle.result(30) == result(2, -2)
    client.retry(handle.run_id, from_step="negate")
    report("negate", -9)
    assert handle.result(30) == result(2, -9)
    client.retry(handle.run_id, from_step="double")
    report("double", 5)
    report("negate", -5)
    assert handle.result(30) == result(5, -5)


def test_a_run_that_is_retried_while_its_end_is_looked_at_has_not_ended(client, report, monkeypatch):
    client.deploy(chain)
    handle = client.start(chain, 1)
    report("double", 2)
    report("negate", None)
    link = handle._link
    look, seen = link.look, []

    def look_slowly(statement):
        if seen == ["failed"]:
            client.retry(handle.run_id)
        elif len(seen) == 3:
            report("negate", -2)
        seen.append(look(statement))
        return seen[-1]

    monkeypatch.setattr(link, "look", look_slowly)
    assert handle.result(30) == -2
    assert (seen[0], seen[1].status, seen[2]) == ("failed", "running", "running")
