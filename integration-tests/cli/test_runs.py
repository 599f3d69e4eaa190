"""Runs from the command line, on a database with a dispatcher that the command starts itself."""

import json
import re
import uuid

import psycopg
import pytest

SHOP = """
from dataclasses import dataclass
from pathlib import Path
from pgflow import Node, current_task, flow, map_step, step

@dataclass
class Order:
    item: str
    amount: int = 1

def pick(order: Order) -> list[int]:
    return list(range(order.amount))

def pack(number: int) -> int:
    print(f"packing {number}")
    return number * 10

def ship(order: Order, parcels: list[int]) -> str:
    return f"{len(parcels)} x {order.item}: {sum(parcels)}"

def ship_if_allowed(order: Order, parcels: list[int]) -> str:
    if not Path("allowed").exists():
        raise PermissionError("the gate is closed")
    return ship(order, parcels)

@flow
def shop(order: Node[Order]) -> Node[str]:
    return step(ship, order, map_step(pack, step(pick, order)))

@flow(max_attempts=1)
def gated(order: Node[Order]) -> Node[str]:
    return step(ship_if_allowed, order, map_step(pack, step(pick, order)))
"""
ORDER = json.dumps({"item": "tea", "amount": 3})


@pytest.fixture
def shop(project, database):
    project.write("shop.py", SHOP)
    return project


def run_gated(shop) -> dict:
    return shop.json("run", "shop:gated", "--input", ORDER, "--wait", "--dispatch", code=1)


def test_a_run_is_deployed_followed_and_its_result_printed(shop):
    done = shop.pgflow("run", "shop:shop", "--input", ORDER, "--wait", "--dispatch")
    assert json.loads(done.stdout) == "3 x tea: 30"
    lines = [re.sub(r" \d+\.\d+ s$", "", line) for line in done.stderr.splitlines()]
    assert lines[0] == "shop version 1 new"
    for line in ("✓ pick", "✓ pack 3/3", "✓ ship"):
        assert line in lines
    assert lines.index("✓ pick") < lines.index("✓ pack 3/3") < lines.index("✓ ship")
    assert re.fullmatch(r"completed run [0-9a-f-]{36} in", lines[-1])


def test_deploy_tells_the_version_and_what_changed(shop):
    said = shop.pgflow("deploy", "shop:shop", "shop:gated").stdout.splitlines()
    assert [line for line in said if not line.startswith(" ")] == [
        "shop version 1 new",
        "gated version 1 new",
    ]
    assert shop.pgflow("deploy", "shop:shop").stdout == "shop version 1 unchanged\n"
    shop.write("shop2.py", SHOP.replace("step(pick, order)", "step(pick, order, max_attempts=7)"))
    first, *changes = shop.pgflow("deploy", "shop2:shop").stdout.splitlines()
    assert first == "shop version 2 new"
    assert any("pick" in change and "max_attempts" in change for change in changes)
    created = [each["created"] for each in shop.json("deploy", "shop2:shop")]
    assert created == [False]


def test_deploy_takes_the_flows_of_the_configuration(shop):
    shop.write("pgflow.toml", 'flows = ["shop:shop", "shop:gated"]\n')
    assert [each["flow_slug"] for each in shop.json("deploy")] == ["shop", "gated"]


def test_a_deployed_flow_is_run_by_its_slug(shop):
    shop.pgflow("deploy", "shop:shop")
    assert shop.json("run", "shop", "--input", ORDER, "--wait", "--dispatch")["result"] == "3 x tea: 30"


@pytest.mark.parametrize("flow", ["daily:daily", "daily"])
def test_a_flow_without_input_is_run_without_one(shop, flow):
    shop.write(
        "daily.py",
        """
from pgflow import Node, flow, step

def look() -> int:
    return 7

@flow
def daily() -> Node[int]:
    return step(look)
""",
    )
    shop.pgflow("deploy", "daily:daily")
    assert shop.json("run", flow, "--wait", "--dispatch")["result"] == 7


def test_an_input_is_read_as_json_by_the_types_of_the_flow(shop):
    shop.write(
        "days.py",
        """
from datetime import date
from typing import Annotated
from pgflow import Node, flow, step
from pydantic import PlainSerializer

Day = Annotated[date, PlainSerializer(lambda day: f"{day:%Y-%m-%d}", return_type=str)]

def show(day: Day) -> str:
    return str(day)

@flow
def days(day: Node[Day]) -> Node[str]:
    return step(show, day)
""",
    )
    run = shop.json("run", "days:days", "--input", '"2026-11-22"')
    assert shop.json("status", run["run_id"])["input"] == "2026-11-22"


@pytest.mark.parametrize("flow", ["prices:prices", "prices"])
def test_an_input_keeps_every_digit_that_was_typed(shop, database, flow):
    shop.write(
        "prices.py",
        """
from typing import Any
from pgflow import Node, flow, step

def count(prices: dict[str, Any]) -> int:
    return len(prices)

@flow
def prices(prices: Node[dict[str, Any]]) -> Node[int]:
    return step(count, prices)
""",
    )
    shop.pgflow("deploy", "prices:prices")
    typed = '{"tea": 12345678901234567890.1234567890, "tax": 0.10000000000000000001}'
    run = shop.json("run", flow, "--input", typed)
    with psycopg.connect(database) as connection:
        stored = connection.execute("select input::text from pgflow.runs where run_id = %s", [run["run_id"]])
        assert stored.fetchone() == (
            '{"tax": 0.10000000000000000001, "tea": 12345678901234567890.1234567890}',
        )


def test_the_input_comes_from_a_file_or_from_standard_input(shop):
    shop.pgflow("deploy", "shop:shop")
    shop.write("order.json", ORDER)
    from_file = shop.json("run", "shop", "--input", "@order.json")
    piped = shop.pgflow("run", "shop", "--input", "-", "--json", text=ORDER)
    for run_id in (from_file["run_id"], json.loads(piped.stdout)["run_id"]):
        assert shop.json("status", run_id)["input"] == json.loads(ORDER)


def test_a_failed_run_is_shown_with_its_error_and_exits_with_1(shop):
    failed = shop.pgflow("run", "shop:gated", "--input", ORDER, "--wait", "--dispatch", code=1)
    assert failed.stdout == ""
    assert "PermissionError: the gate is closed" in failed.stderr
    assert "raise PermissionError" in failed.stderr
    assert "pgflow retry" in failed.stderr


def test_status_shows_every_step_and_the_error(shop):
    run = run_gated(shop)
    shown = shop.pgflow("status", run["run_id"]).stdout
    for part in (
        f"run {run['run_id']}  gated v1",
        "✗ failed",
        "✓ pack",
        "3/3",
        "✗ ship_if_allowed",
        "the gate is closed",
    ):
        assert part in shown


def test_retry_runs_what_failed_and_keeps_what_completed(shop):
    run = run_gated(shop)
    shop.write("allowed", "")
    after = shop.json("retry", "latest", "--wait", "--dispatch")
    assert (after["run_id"], after["status"], after["result"]) == (run["run_id"], "completed", "3 x tea: 30")
    before_steps, after_steps = ({step["step_slug"]: step for step in each["steps"]} for each in (run, after))
    assert after_steps["pack"] == before_steps["pack"]
    assert after_steps["ship_if_allowed"]["output"] == "3 x tea: 30"


def test_retry_from_a_step_runs_it_and_all_after_it_again(shop):
    shop.write("allowed", "")
    run = shop.json("run", "shop:gated", "--input", ORDER, "--wait", "--dispatch")
    assert shop.json("retry", run["run_id"], "--from-step", "pack")["run_id"] == run["run_id"]
    with shop.dispatching():
        after = shop.ended(run["run_id"])
    started = [{step["step_slug"]: step["started_at"] for step in each["steps"]} for each in (run, after)]
    assert started[0]["pick"] == started[1]["pick"]
    assert started[0]["pack"] < started[1]["pack"]


def test_retry_from_a_step_that_is_not_there_names_the_steps(shop):
    shop.pgflow("run", "shop:shop", "--input", ORDER)
    shown = shop.pgflow("retry", "latest", "--from-step", "pakc", code=2).stderr
    assert "has no step 'pakc'\n mend: did you mean `pack`?" in shown


def test_retry_of_a_running_run_is_refused(shop):
    run = shop.json("run", "shop:shop", "--input", ORDER)
    assert run["run_id"] in shop.pgflow("retry", run["run_id"], code=1).stderr


def test_cancel_ends_a_run_and_says_when_there_is_nothing_to_end(shop):
    run = shop.json("run", "shop:shop", "--input", ORDER)
    assert (
        shop.pgflow("cancel", run["run_id"], "--reason", "wrong").stdout
        == f"run {run['run_id']}: cancelled\n"
    )
    assert shop.json("status", run["run_id"])["status"] == "cancelled"
    assert shop.json("cancel", run["run_id"])["result"] == "already_ended"


def test_runs_are_listed_newest_first_and_filtered(shop):
    first = shop.json("run", "shop:shop", "--input", ORDER, "--tag", "day=mon")["run_id"]
    second = shop.json("run", "shop:gated", "--input", ORDER)["run_id"]
    shop.pgflow("cancel", second)
    listed = [run["run_id"] for run in shop.json("runs")]
    assert listed == [second, first]
    assert [run["run_id"] for run in shop.json("runs", "--status", "cancelled")] == [second]
    assert [run["run_id"] for run in shop.json("runs", "--flow", "shop")] == [first]
    assert [run["run_id"] for run in shop.json("runs", "--tag", "day=mon")] == [first]
    assert shop.json("runs", "--tag", "day=tue") == []
    heading, *rows = shop.pgflow("runs").stdout.splitlines()
    assert heading.split() == ["RUN", "FLOW", "STATUS", "STARTED", "TOOK", "ERROR"]
    assert [row.split()[0] for row in rows] == [second, first]


def test_logs_show_what_a_handler_printed(shop):
    run = shop.json("run", "shop:shop", "--input", ORDER, "--wait", "--dispatch")
    shown = shop.pgflow("logs", run["run_id"]).stdout
    for number in range(3):
        assert f"packing {number}" in shown
    assert shop.pgflow("logs", run["run_id"], "ship").stdout == ""
    only = shop.json("logs", run["run_id"], "pack", "--item", "1")
    assert [(log["step_slug"], log["task_index"], log["log_tail"]) for log in only] == [
        ("pack", 1, "packing 1\n")
    ]


def test_an_idempotency_key_starts_one_run(shop):
    one = shop.json("run", "shop:shop", "--input", ORDER, "--idempotency-key", "k")
    two = shop.json("run", "shop:shop", "--input", ORDER, "--idempotency-key", "k")
    assert (one["run_id"], one["created"], two["created"]) == (two["run_id"], True, False)


def test_a_run_id_may_be_abbreviated_to_a_unique_start(shop):
    run_id = shop.json("run", "shop:shop", "--input", ORDER)["run_id"]
    assert shop.json("status", run_id[:13])["run_id"] == run_id
    assert shop.json("status", run_id.replace("-", "").upper()[:20])["run_id"] == run_id


def test_an_ambiguous_run_id_names_the_candidates(shop):
    ids = {shop.json("run", "shop:shop", "--input", ORDER)["run_id"] for _ in range(2)}
    shown = shop.pgflow("status", "0", code=2).stderr
    assert "several run ids start with '0'" in shown
    assert all(run_id in shown for run_id in ids)


@pytest.mark.parametrize("text", ["nonsense", "ffff", str(uuid.UUID(int=1))])
def test_an_unknown_run_is_named(shop, text):
    for command in ("status", "logs", "cancel", "retry"):
        shown = shop.pgflow(command, text, code=2).stderr
        assert text in shown
        assert "pgflow runs" in shown


def test_waiting_gives_up_after_the_timeout_and_the_run_goes_on(shop):
    shown = shop.pgflow(
        "run", "shop:shop", "--input", ORDER, "--wait", "--no-dispatch", "--timeout", "0.2", code=1
    )
    assert "is still running after 0.2 s" in shown.stderr
    assert [run["status"] for run in shop.json("runs")] == ["running"]


def test_waiting_without_a_dispatcher_says_so(shop, monkeypatch):
    monkeypatch.setattr("pgflow.cli._waiting._IDLE_SECONDS", 0.1)
    shown = shop.pgflow(
        "run", "shop:shop", "--input", ORDER, "--wait", "--no-dispatch", "--timeout", "2", code=1
    )
    assert "is a dispatcher running?" in shown.stderr


def test_graph_draws_a_deployed_flow(shop):
    shop.pgflow("deploy", "shop:shop")
    assert shop.pgflow("graph", "shop").stdout == shop.pgflow("graph", "shop:shop").stdout
