"""The metrics in Prometheus' text format: what the dispatcher counted, and what the database has waiting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, get_args

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from pgflow.dispatcher import DispatcherStatus, LaneStatus
from pgflow.dispatcher.tally import BOUNDS, Event, Histogram
from pgflow.http.database import Load

__all__ = ["CONTENT_TYPE", "exposition"]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_HELP: Final[dict[Event, str]] = {
    "claimed": "Attempts claimed.",
    "started": "Attempts that their executor took.",
    "completed": "Attempts that completed their task.",
    "failed": "Attempts whose failure ended their task.",
    "retried": "Attempts that failed and will be tried again.",
    "released": "Attempts handed back; no budget was used up.",
    "lost": "Attempts whose lease ran out while this dispatcher had them.",
}


class _Snapshot(Collector):
    """Metric families that are made already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def exposition(status: DispatcherStatus | None, load: Load | None) -> bytes:
    """Write everything as text; without a dispatcher only what the database knows."""
    registry = CollectorRegistry()
    families = [*_of_database(load), *(() if status is None else _of_dispatcher(status))]
    registry.register(_Snapshot(families))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def _of_database(load: Load | None) -> Iterator[Metric]:
    up = GaugeMetricFamily("pgflow_database_answers", "1 if the database answered when it was last asked.")
    up.add_metric([], float(load is not None))
    yield up
    if load is None:
        return
    backlog, lag = load
    ready = _gauge("pgflow_ready_tasks", "Tasks that could be claimed now; counted up to 10000.")
    oldest = _gauge("pgflow_oldest_ready_seconds", "For how long the first task in line has been ready.")
    paused = _gauge(
        "pgflow_executor_paused",
        "1 if claims of the executor are paused, by an operator or by refused launches.",
    )
    for row in backlog:
        ready.add_metric([row.executor], row.ready_tasks)
        oldest.add_metric([row.executor], row.oldest_seconds)
        paused.add_metric([row.executor], float(row.paused))
    yield from (ready, oldest, paused)
    sweep = GaugeMetricFamily("pgflow_sweep_lag_seconds", "For how long the first timer has been overdue.")
    sweep.add_metric([], lag)
    yield sweep


def _of_dispatcher(status: DispatcherStatus) -> Iterator[Metric]:
    lanes = status.lanes
    for event in get_args(Event):
        family = CounterMetricFamily(f"pgflow_tasks_{event}", _HELP[event], labels=["executor", "flow"])
        for lane in lanes:
            for (flow, counted), number in lane.tally.events.items():
                if counted == event:
                    family.add_metric([lane.executor, flow], number)
        yield family
    yield from _of_lanes(lanes)
    reconnects = CounterMetricFamily("pgflow_database_reconnects", "How often the database was lost.")
    reconnects.add_metric([], status.reconnects)
    yield reconnects
    for name, text, value in (
        (
            "pgflow_accepting",
            "1 while the dispatcher claims tasks, 0 while it starts or drains.",
            status.ready,
        ),
        ("pgflow_listening", "1 while the dispatcher hears of new tasks at once.", status.listening),
    ):
        gauge = GaugeMetricFamily(name, text)
        gauge.add_metric([], float(value))
        yield gauge
    problems = GaugeMetricFamily("pgflow_problems", "Occurrences of open problems.", labels=["kind"])
    kinds = sorted({problem.kind for problem in status.problems})
    for kind in kinds:
        problems.add_metric([kind], sum(p.count for p in status.problems if p.kind == kind))
    yield problems


def _of_lanes(lanes: Sequence[LaneStatus]) -> Iterator[Metric]:
    in_flight = _gauge("pgflow_in_flight", "Attempts that the executor has in hand.")
    capacity = _gauge("pgflow_capacity", "Attempts that the executor has room for.")
    unsent = _gauge("pgflow_unsent_reports", "Reports that the database has not acknowledged.")
    wait = _histogram("pgflow_task_queue_wait", "From ready to claimed; a sample.", ["executor", "flow"])
    run = _histogram("pgflow_task_run", "From claimed to reported.", ["executor", "flow"])
    exchange = _histogram("pgflow_exchange", "Round trips that report and claim.", ["executor"])
    for lane in lanes:
        in_flight.add_metric([lane.executor], lane.under_way)
        capacity.add_metric([lane.executor], lane.capacity)
        unsent.add_metric([lane.executor], lane.unsent)
        _add(exchange, [lane.executor], lane.tally.exchanges)
        for family, histograms in ((wait, lane.tally.waits), (run, lane.tally.runs)):
            for flow, histogram in histograms.items():
                _add(family, [lane.executor, flow], histogram)
    yield from (in_flight, capacity, unsent, wait, run, exchange)


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=["executor"])


def _histogram(name: str, text: str, labels: Sequence[str]) -> HistogramMetricFamily:
    return HistogramMetricFamily(f"{name}_seconds", text, labels=labels)


def _add(family: HistogramMetricFamily, labels: Sequence[str], histogram: Histogram) -> None:
    buckets: list[tuple[str, float]] = []
    so_far = 0
    for bound, count in zip([*map(str, BOUNDS), "+Inf"], histogram.counts, strict=True):
        so_far += count
        buckets.append((bound, float(so_far)))
    family.add_metric(labels, buckets, histogram.total)
