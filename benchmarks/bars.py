"""The bars of the project: what is compared with whom, and how much better it has to be."""

from dataclasses import dataclass

from benchmarks.figures import Figures, Spread, in_rounds, ratios, spread, values_of


@dataclass(frozen=True)
class Bar:
    """`ours` must be at least `least` times better than `peer`, in the median of the rounds' ratios."""

    label: str
    workload: str
    metric: str
    ours: str
    peer: str
    least: float
    less_is_better: bool = False


@dataclass(frozen=True)
class Limit:
    """A metric of ours alone: the median is at most `most`, or at least `least`."""

    label: str
    workload: str
    metric: str
    ours: str
    most: float | None = None
    least: float | None = None


SQL = "pgflow-sql"
PRODUCT = "pgflow"

RATIOS = (
    Bar("P1 W1 drain, SQL", "single", "drain_per_s", SQL, "pgqueuer", 1.5),
    Bar("P1 W1 drain, SQL", "single", "drain_per_s", SQL, "absurd", 8),
    Bar("P1 W1 drain, SQL", "single", "drain_per_s", SQL, "dbos", 40),
    Bar("P1 W1 drain, SQL (stretch)", "single", "drain_per_s", SQL, "graphile-worker", 0.8),
    Bar("P2 W1 drain, product", "single", "drain_per_s", PRODUCT, "procrastinate", 8),
    Bar("P2 W1 drain, product", "single", "drain_per_s", PRODUCT, "absurd", 3),
    Bar("P2 W1 drain, product", "single", "drain_per_s", PRODUCT, "dbos", 15),
    Bar("P2 W1 drain, product (stretch)", "single", "drain_per_s", PRODUCT, "pgqueuer", 1),
    Bar("P3 W1 enqueue 100 a call", "single", "enqueue_per_s", SQL, "pg-boss", 0.8),
    Bar("P3 W1 enqueue 100 a call", "single", "enqueue_per_s", SQL, "pgqueuer", 0.8),
    Bar("P3 W1 enqueue one by one", "single", "enqueue_one_per_s", SQL, "pgqueuer", 0.9),
    Bar("P4 W2 chain, SQL", "chain", "steps_per_s", SQL, "pgqueuer", 8),
    Bar("P4 W2 chain, product", "chain", "steps_per_s", PRODUCT, "pgqueuer", 3),
    Bar("P5 W3 map 5,000, SQL", "fan-5000", "seconds", SQL, "absurd", 15, True),
    Bar("P5 W3 map 5,000, product", "fan-5000", "seconds", PRODUCT, "absurd", 4, True),
    Bar("P6 W4 enqueue to start, p50", "latency", "start_p50", PRODUCT, "graphile-worker", 1 / 1.2, True),
    Bar("P6 W4 enqueue to start, p95", "latency", "start_p95", PRODUCT, "graphile-worker", 1 / 1.5, True),
    Bar("P6 W4 next step, p50", "latency", "next_p50", PRODUCT, "graphile-worker", 1 / 1.2, True),
)

LIMITS = (
    Limit("P7 W5 drain, 1 M delayed", "backlog", "delayed_kept", SQL, least=0.85),
    Limit("P7 W5 drain, 1 M ended", "backlog", "ended_kept", SQL, least=0.85),
    Limit("P7 W5 drain, 1 M queued", "backlog", "queued_kept", SQL, least=0.85),
    Limit("P8 WAL of a one-step run, bytes", "single", "wal_bytes_run", SQL, most=1700),
    Limit("P8 WAL of a chained step, bytes", "chain", "wal_bytes_chained", SQL, most=1400),
    Limit("P9 SQL calls a step at load", "single", "calls_per_step", PRODUCT, most=0.1),
    Limit("P12 queries a second of an idle dispatcher", "idle", "queries_per_s", PRODUCT, most=1),
    Limit("P12 CPU of an idle dispatcher, percent", "idle", "cpu_percent", PRODUCT, most=1),
    Limit("P10 four clients on one map", "contention", "speedup", SQL, least=1.5),
    Limit("P11 drain under a held snapshot", "held-snapshot", "kept", SQL, least=0.7),
)

# P5: an item of the larger map costs at most 1.2 times an item of the smaller, in the same round
GROWTH = (
    ("P5 item at 20,000 / 5,000", "fan-20000", "fan-5000"),
    ("P5 item at 20,000 / 5,000, 500 bytes", "fan-20000-500b", "fan-5000-500b"),
    ("P5 item at 20,000 / 5,000, dependent", "fan-20000-dependent", "fan-5000-dependent"),
)
GROWTH_LIMIT = 1.2


@dataclass(frozen=True)
class Verdict:
    """A bar with what was measured; `met` is judged on the median."""

    label: str
    against: str
    bar: str
    measured: Spread
    met: bool


def judge(figures: Figures) -> list[Verdict]:
    """Return a verdict for every bar that the figures can answer."""
    return [*_ratio_verdicts(figures), *_limit_verdicts(figures), *_growth_verdicts(figures)]


def _ratio_verdicts(figures: Figures) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for bar in RATIOS:
        ours = in_rounds(figures, bar.workload, bar.ours, bar.metric)
        theirs = in_rounds(figures, bar.workload, bar.peer, bar.metric)
        if found := ratios(ours, theirs, less_is_better=bar.less_is_better):
            measured = spread(found)
            verdicts.append(
                Verdict(bar.label, bar.peer, f">= {bar.least:.2g}x", measured, measured.middle >= bar.least)
            )
    return verdicts


def _limit_verdicts(figures: Figures) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for limit in LIMITS:
        if not (values := values_of(figures, limit.workload, limit.ours, limit.metric)):
            continue
        measured = spread(values)
        if limit.most is not None:
            verdicts.append(
                Verdict(limit.label, "-", f"<= {limit.most:g}", measured, measured.middle <= limit.most)
            )
        elif limit.least is not None:
            verdicts.append(
                Verdict(limit.label, "-", f">= {limit.least:g}", measured, measured.middle >= limit.least)
            )
    return verdicts


def _growth_verdicts(figures: Figures) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for label, large, small in GROWTH:
        for contender in (SQL, PRODUCT):
            ours = in_rounds(figures, large, contender, "us_per_item")
            base = in_rounds(figures, small, contender, "us_per_item")
            if found := ratios(ours, base, less_is_better=False):
                measured = spread(found)
                met = measured.middle <= GROWTH_LIMIT
                verdicts.append(Verdict(f"{label}, {contender}", "-", f"<= {GROWTH_LIMIT:g}x", measured, met))
    return verdicts
