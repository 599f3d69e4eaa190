"""Lists, followers and upkeep: runs with filters, --watch, logs -f, pause, resume, prune."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from pgflow import Client

SECONDS = 60
CHAIN = """
from pgflow import Node, flow, step

def first(n: int) -> int:
    return n

def second(n: int) -> int:
    return n

@flow
def chain(n: Node[int]) -> Node[int]:
    return step(second, step(first, n))
"""


@pytest.fixture
def chain(project, database):
    project.write("chain.py", CHAIN)
    project.pgflow("deploy", "chain:chain")
    return project


@pytest.fixture
def client(database):
    with Client(database) as client:
        yield client


@pytest.fixture
def work(pgflow_connection):
    """A function that claims one task and completes it, as a worker would."""

    def do(log: str = "", outcome: str = "complete") -> None:
        (task,) = pgflow_connection.execute(
            "select * from pgflow.claim_step_tasks('local', 'w', 1)"
        ).fetchall()
        report = {name: str(task[name]) for name in ("run_id", "step_slug", "attempt_token")}
        report |= {"task_index": 0, "outcome": outcome, "log_tail": log}
        report |= {"output": 1} if outcome == "complete" else {"error": {"message": "no"}, "retryable": False}
        query = "select status from pgflow.report_step_tasks(%s)"
        assert pgflow_connection.execute(query, [json.dumps([report])]).fetchone()["status"] in {
            "completed",
            "failed",
        }

    return do


def start(client, **options) -> str:
    return str(client.start_by_slug("chain", 1, **options).run_id)


# Lists


def test_runs_are_listed_page_by_page(chain, client):
    ids = sorted((start(client) for _ in range(5)), reverse=True)
    first = chain.pgflow("runs", "--limit", "2")
    assert [line.split()[0] for line in first.stdout.splitlines()[1:]] == ids[:2]
    assert first.stderr == f"older ones: --before {ids[1]}\n"
    rest = chain.pgflow("runs", "--before", ids[1])
    assert [line.split()[0] for line in rest.stdout.splitlines()[1:]] == ids[2:]
    assert rest.stderr == ""


def test_runs_are_filtered_by_several_tags_by_owner_and_by_time(chain, client, pgflow_connection):
    start(client, tags={"team": "a"})
    both = start(client, tags={"team": "a", "day": "mon"})
    assert [run["run_id"] for run in chain.json("runs", "--tag", "team=a", "--tag", "day=mon")] == [both]
    owner = chain.json("runs")[0]["owner"]
    assert len(chain.json("runs", "--owner", owner)) == 2
    assert chain.json("runs", "--owner", "nobody") == []
    pgflow_connection.execute(
        "update pgflow.runs set created_at = created_at - interval '3 hours' where run_id <> %s", [both]
    )
    assert [run["run_id"] for run in chain.json("runs", "--since", "2h")] == [both]
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    assert len(chain.json("runs", "--since", yesterday)) == 2
    assert chain.pgflow("runs", "--flow", "nope").stderr == "no runs\n"


def test_runs_can_be_watched(chain, client, work):
    run_id = start(client)
    with chain.serving("runs", "--watch") as watching:
        watching.wait_for(f"{run_id}  chain v1  ▶ running")
        work()
        work()
        watching.wait_for(f"{run_id}  chain v1  ✓ completed")
        later = start(client)
        watching.wait_for(later)
        assert watching.stop() == 0


def test_a_watched_list_is_a_document_for_each_change_with_json(chain, client):
    with chain.serving("runs", "--watch", "--json") as watching:
        assert json.loads(watching.wait_for("[")) == []
        run_id = start(client)
        (run,) = json.loads(watching.wait_for(run_id))
        assert (run["status"], run["flow_slug"]) == ("running", "chain")


# Followers


def test_logs_are_followed_to_the_end_of_the_run(chain, client, work):
    run_id = start(client)
    with chain.serving("logs", run_id, "-f") as following:
        work("one\n")
        following.wait_for("first[0] attempt 1")
        following.wait_for("one")
        work("two\n")
        following.wait_for("second[0] attempt 1")
        following.wait_for("two")
        assert following.process.wait(60) == 0


def test_ctrl_c_ends_following(chain, client, work):
    run_id = start(client)
    work("one\n")
    with chain.serving("logs", run_id, "--follow", "--json") as following:
        assert json.loads(following.wait_for("one"))["log_tail"] == "one\n"
        assert following.stop() == 0


def test_followed_logs_of_one_step_come_once_each(chain, client, work):
    run_id = start(client)
    work("one\n")
    work("two\n")
    shown = chain.pgflow("logs", run_id, "second", "-f").stdout
    assert (shown.count("two"), shown.count("one")) == (1, 0)


def test_logs_of_a_step_that_is_not_there_are_refused(chain, client):
    run_id = start(client)
    refused = chain.pgflow("logs", run_id, "frist", code=2).stderr
    assert f"error: run {run_id} has no step 'frist'\n mend: did you mean `first`?" in refused


def test_status_can_follow_a_run_to_its_end(chain, client, work):
    run_id = start(client)
    with chain.serving("status", run_id, "--watch") as following:
        following.wait_for("▶ first")
        work()
        following.wait_for("✓ first")
        work(outcome="fail")
        following.wait_for("✗ second")
        following.wait_for("✗ failed")
        assert following.process.wait(60) == 1


# Pauses


def test_a_run_is_paused_and_resumed(chain, client):
    run_id = start(client)
    assert chain.pgflow("pause", run_id).stdout == f"run {run_id}: paused\n"
    assert chain.json("pause", run_id) == {"run_id": run_id, "result": "already_paused"}
    assert "paused" in chain.pgflow("status", run_id).stdout
    assert chain.pgflow("resume", run_id).stdout == f"run {run_id}: resumed\n"
    assert chain.json("resume", "latest")["result"] == "not_paused"
    chain.pgflow("cancel", run_id)
    assert chain.pgflow("pause", run_id).stdout == f"run {run_id}: already ended\n"


def test_an_executor_is_paused_with_a_reason_and_resumed(chain, pgflow_connection):
    paused = chain.pgflow("pause", "--executor", "gpu", "--reason", "no money")
    assert paused.stdout == "executor gpu: paused\n"
    row = pgflow_connection.execute(
        "select pause_reason from pgflow.executors where executor = 'gpu'"
    ).fetchone()
    assert row == {"pause_reason": "no money"}
    assert chain.json("resume", "--executor", "gpu") == {"executor": "gpu", "result": "resumed"}


def test_status_names_the_executors_that_a_run_waits_for_and_why(chain, client, pgflow_connection):
    run_id = start(client)
    chain.pgflow("pause", "--executor", "local", "--reason", "no money")
    chain.pgflow("pause", "--executor", "other", "--reason", "unheard")
    shown = chain.pgflow("status", run_id).stdout
    assert "executor local is paused" in shown
    assert "no money" in shown
    assert "pgflow resume --executor local" in shown
    assert "unheard" not in shown
    pgflow_connection.execute(
        "update pgflow.executors set probe_at = clock_timestamp() + interval '30 s', "
        "pause_reason = 'the key was revoked' where executor = 'local'"
    )
    shown = chain.pgflow("status", run_id).stdout
    assert "executor local is refused by the place it launches to" in shown
    assert "the key was revoked" in shown
    chain.pgflow("resume", "--executor", "local")
    assert "executor local" not in chain.pgflow("status", run_id).stdout


def test_waiting_for_a_paused_run_says_that_it_is_paused(chain, client, monkeypatch):
    monkeypatch.setattr("pgflow.cli._waiting._IDLE_SECONDS", 0.1)
    run_id = start(client)
    client.cancel(run_id)
    chain.pgflow("retry", run_id)
    chain.pgflow("pause", run_id)
    monkeypatch.setattr("pgflow.database.statements.runs.retry_run", lambda *_: None)
    shown = chain.pgflow(
        "run", "chain", "--input", "1", "--wait", "--no-dispatch", "--timeout", "1", code=1
    ).stderr
    assert "is a dispatcher running?" in shown


CHATTY = """
import sys, time
from pathlib import Path
from pgflow import Node, flow, step

def talk(n: int) -> int:
    print("first line")
    sys.stdout.write("second")
    sys.stdout.flush()
    while not Path("go").exists():
        time.sleep(0.02)
    print(" line")
    print("last line")
    return n

@flow
def chat(n: Node[int]) -> Node[int]:
    return step(talk, n)
"""


def test_output_is_followed_while_its_attempt_runs(project, database):
    project.write("chat.py", CHATTY)
    project.pgflow("deploy", "chat:chat")
    with project.dispatching():
        run_id = project.json("run", "chat", "--input", "1")["run_id"]
        with project.serving("logs", run_id, "--follow") as follower:
            follower.wait_for("talk[0] attempt 1  running")
            follower.wait_for("first line")
            assert project.json("status", run_id)["status"] == "running"
            shown = project.pgflow("logs", run_id).stdout
            assert shown == "talk[0] attempt 1  running\n  first line\n  second\n"
            project.write("go", "")
            follower.wait_for("last line")
            assert follower.process.wait(SECONDS) == 0
        assert follower.said == [
            "talk[0] attempt 1  running", "  first line", "  second line", "  last line",
        ]  # fmt: skip
    (entry,) = project.json("logs", run_id)
    assert entry["log_tail"] == "first line\nsecond line\nlast line\n"


# Pruning


def test_old_runs_are_pruned_in_batches(chain, client, pgflow_connection, monkeypatch):
    monkeypatch.setattr("pgflow.cli.commands.prune._BATCH", 2)
    pgflow_connection.execute(
        "select set_config('pgflow.fake_now', (now() - interval '40 days')::text, false)"
    )
    for _ in range(5):
        pgflow_connection.execute("select pgflow.cancel_run(r.run_id) from pgflow.run_flow('chain', '1') r")
    recent, running = start(client), start(client)
    client.cancel(recent)
    assert chain.pgflow("prune", "--older-than", "30d", "--dry-run").stdout == "would delete 5 runs\n"
    assert chain.json("prune", "--older-than", "30d", "--dry-run", "--limit", "3") == {
        "dry_run": True,
        "runs": 3,
    }
    assert chain.pgflow("prune", "--older-than", "30d", "--limit", "1").stdout == "deleted 1 run\n"
    assert chain.json("prune", "--older-than", "30d") == {"dry_run": False, "runs": 4}
    assert {run["run_id"] for run in chain.json("runs")} == {recent, running}


def test_the_retention_is_shown_and_set(chain, client):
    assert chain.pgflow("retention").stdout == "ended runs are kept for ever\n"
    for time, shown in [("30d", "30d"), ("36h", "36h"), ("2w", "14d"), ("90m", "90m"), ("0s", "0s")]:
        assert chain.pgflow("retention", time).stdout == f"ended runs are kept for {shown}\n"
        assert chain.pgflow("retention").stdout == f"ended runs are kept for {shown}\n"
    assert chain.json("retention", "1h") == {"keep_seconds": 3600}
    assert client.retention() == timedelta(hours=1)
    assert chain.json("retention", "forever") == {"keep_seconds": None}
    assert client.retention() is None
    refused = chain.pgflow("retention", "never", code=2).stderr
    assert "'never' is not a duration; write a number and a unit" in refused
    assert (
        "must be an interval between 0 and 1000 years" in chain.pgflow("retention", "400000d", code=2).stderr
    )


def test_what_is_older_than_the_retention_is_deleted_by_a_pass(chain, client, pgflow_connection):
    ended, running = start(client), start(client)
    client.cancel(ended)
    client.set_retention(timedelta(days=1))
    pgflow_connection.execute("select pgflow.maintain()")
    assert {str(run.run_id) for run in client.runs()} == {ended, running}
    client.set_retention(timedelta(0))
    pgflow_connection.execute("select pgflow.maintain()")
    assert [str(run.run_id) for run in client.runs()] == [running]


# The clients


def test_clients_page_pause_and_prune(chain, client):
    runs = [client.start_by_slug("chain", number).run_id for number in range(3)]
    page = client.runs(limit=2)
    assert (len(page), page.next) == (2, page[-1].run_id)
    assert [run.run_id for run in client.runs(before=page.next)] == [min(runs)]
    assert client.runs(since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert [client.pause_run(runs[0]), client.pause_run(runs[0])] == [True, False]
    assert client.get_progress(runs[0]).paused_at is not None
    assert [client.resume_run(runs[0]), client.resume_run(runs[0])] == [True, False]
    assert [client.pause_executor("gpu"), client.resume_executor("gpu")] == [True, True]
    client.cancel(runs[0])
    assert client.prune(timedelta(days=1)) == 0
    assert client.prune(timedelta(0)) == 1


def test_a_watched_list_is_yielded_anew_when_it_has_changed(chain, client):
    pages = client.watch_runs(flow="chain", status="running")
    assert next(pages) == []
    run = client.start_by_slug("chain", 1)
    assert [seen.run_id for seen in next(pages)] == [run.run_id]
    run.cancel()
    assert next(pages) == []
