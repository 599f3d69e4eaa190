"""How many times as good as each peer PGFlow is, in what users notice."""

from dataclasses import dataclass

from benchmarks.bars import PRODUCT, SQL
from benchmarks.figures import Figures, Spread, in_rounds, ratios, spread


@dataclass(frozen=True)
class Compared:
    """A metric of a workload that contenders are compared in."""

    what: str
    workload: str
    metric: str
    less_is_better: bool = False


COMPARED = (
    Compared("W1 drained a second", "single", "drain_per_s"),
    Compared("W1 enqueued a second, 100 a call", "single", "enqueue_per_s"),
    Compared("W1 enqueued a second, one by one", "single", "enqueue_one_per_s"),
    Compared("W1 WAL bytes a run", "single", "wal_bytes_run", True),
    Compared("W1 processor of the server a run", "single", "server_us_per_step", True),
    Compared("W2 chained steps a second", "chain", "steps_per_s"),
    Compared("W2 WAL bytes a step", "chain", "wal_bytes_chained", True),
    Compared("W2 processor of the server a step", "chain", "server_us_per_step", True),
    Compared("W2 processor of the clients a step", "chain", "client_us_per_step", True),
    Compared("W3 seconds for a map of 5,000", "fan-5000", "seconds", True),
    Compared("chain of 1,000, ms", "long-chain", "ms_per_run", True),
    Compared("layer of 1,000, ms", "layer", "ms_per_run", True),
    Compared("ladder of 25 diamonds, ms", "ladder", "ms_per_run", True),
    Compared("W4 enqueue to start, p50", "latency", "start_p50", True),
    Compared("W4 enqueue to start, p95", "latency", "start_p95", True),
    Compared("W4 step to next step, p50", "latency", "next_p50", True),
    Compared("idle, queries a second", "idle", "queries_per_s", True),
    Compared("idle, processor", "idle", "cpu_percent", True),
    Compared("drained a second under an old snapshot", "held-snapshot", "last_fifth_per_s"),
)


@dataclass(frozen=True)
class Times:
    """One of ours in one metric: the ratio to each peer that was measured, within the rounds."""

    what: str
    ours: str
    against: dict[str, Spread]


def times(figures: Figures) -> list[Times]:
    """Return the comparisons that the figures allow; above 1 is better than the peer."""
    found = [_against_all(figures, one, ours) for one in COMPARED for ours in (SQL, PRODUCT)]
    return [one for one in found if one.against]


def _against_all(figures: Figures, one: Compared, ours: str) -> Times:
    against: dict[str, Spread] = {}
    for peer in figures.get(one.workload, {}):
        if peer.startswith(PRODUCT):
            continue
        mine, theirs = (in_rounds(figures, one.workload, name, one.metric) for name in (ours, peer))
        if found := ratios(mine, theirs, less_is_better=one.less_is_better):
            against[peer] = spread(found)
    return Times(one.what, ours, against)
