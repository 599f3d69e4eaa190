"""The metrics' text: what it counts, how it is bounded, and that the documents name what is there."""

import re
from pathlib import Path

from pgflow.database.statements.monitoring import Backlog
from pgflow.dispatcher import DispatcherStatus, LaneStatus
from pgflow.dispatcher.tally import BOUNDS, OTHER_FLOWS, Histogram, Tally
from pgflow.http.metrics import exposition
from prometheus_client.parser import text_string_to_metric_families

DOCS = Path(__file__).parents[4] / "docs"
#: They begin like metrics.
ROLES = {f"pgflow_{name}" for name in ("owner", "deployer", "dispatcher", "worker", "client", "viewer")}


def status(tally):
    lane = LaneStatus("local", capacity=8, under_way=3, unsent=2, tally=tally)
    return DispatcherStatus("w", "running", True, True, 1, (), (lane,), ())


def samples(tally):
    text = exposition(status(tally), ([Backlog("local", 5, 1.5, paused=False)], 0.25)).decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def busy_tally():
    tally = Tally()
    for event in ("claimed", "started", "completed", "failed", "retried", "released", "lost"):
        tally.count("f", event)
    tally.ran("f", 0.2)
    tally.waited(["f"], [3.0])
    tally.exchanges.add(0.004)
    return tally


def test_counts_durations_and_gauges_are_there():
    found = samples(busy_tally())
    assert found["pgflow_tasks_retried_total", "local", "f"] == 1
    assert found["pgflow_task_run_seconds_sum", "local", "f"] == 0.2
    assert found["pgflow_task_run_seconds_bucket", "local", "f", "0.1"] == 0
    assert found["pgflow_task_run_seconds_bucket", "local", "f", "0.25"] == 1
    assert found["pgflow_task_run_seconds_bucket", "local", "f", "+Inf"] == 1
    assert found["pgflow_unsent_reports", "local"] == 2
    assert found["pgflow_oldest_ready_seconds", "local"] == 1.5
    assert found["pgflow_sweep_lag_seconds",] == 0.25


def test_without_a_dispatcher_or_a_database_the_rest_is_still_there():
    text = exposition(None, None).decode()
    assert "pgflow_database_answers 0.0" in text
    assert "pgflow_tasks" not in text


def test_flows_beyond_a_hundred_share_one_label():
    tally = Tally()
    for number in range(300):
        tally.count(f"flow_{number}", "claimed")
        tally.ran(f"flow_{number}", 1.0)
    assert len(tally.events) == len(tally.runs) == 101
    assert tally.events[OTHER_FLOWS, "claimed"] == 200
    assert tally.runs[OTHER_FLOWS].total == 200.0


def test_a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed():
    histogram = Histogram()
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] + 1e-9, BOUNDS[-1] + 1):
        histogram.add(seconds)
    assert (histogram.counts[0], histogram.counts[1], histogram.counts[-1]) == (2, 1, 1)


def test_the_documents_name_the_metrics_that_are_there_and_no_others():
    text = exposition(status(busy_tally()), ([Backlog("local", 5, 1.5, paused=False)], 0.0)).decode()
    families = set(re.findall(r"^# TYPE (pgflow_\w+)", text, re.MULTILINE))
    reference = (DOCS / "reference/dispatcher.md").read_text(encoding="utf-8")
    table = reference[reference.index("| Metric |") :].partition("\n\n")[0]
    assert set(re.findall(r"`(pgflow_\w+)`", table)) == families
    guide = (DOCS / "how-to/run-in-production.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(pgflow_\w+)", guide)) - ROLES
    assert named - families == set()
    assert {"pgflow_tasks_lost_total", "pgflow_accepting", "pgflow_sweep_lag_seconds"} <= named
