"""What one server carries, worked out from the cost of a step: the arithmetic of the page on scaling."""

from dataclasses import dataclass
from math import ceil
from statistics import median

from benchmarks.bars import PRODUCT
from benchmarks.figures import Figures, values_of

DAY = 86_400
MILLIONS = 100  # of steps a day
PEAK = 5  # times the rate of an even day
HALF = 0.5  # of the processors; the rest is for peaks, vacuum, backups, everybody else
THIRD = 1 / 3  # of a disk's throughput; the rest is for the pages that follow, and for reading
STEPS_A_RUN = 3
DISPATCHER_CONNECTIONS = 8
GP3 = 125.0  # MB a second of a disk for which nothing more was bought


@dataclass(frozen=True)
class Step:
    """A step of a chain of three on a busy system: microseconds of a core, bytes, calls, steps a second."""

    run_us: float
    start_us: float
    client_us: float
    wal_bytes: float
    calls: float
    commits: float
    starts: float
    measured: float

    @property
    def server_us(self) -> float:
        """Microseconds of a core of the database, to start and to run it."""
        return self.run_us + self.start_us


def step_of(figures: Figures) -> Step:
    """Return the cost of a step of the product, medians of the rounds."""

    def middle(workload: str, metric: str) -> float:
        return median(values_of(figures, workload, PRODUCT, metric))

    starts = middle("single", "enqueue_per_s")
    return Step(
        run_us=middle("chain", "server_us_per_step"),
        start_us=1e6 / starts / STEPS_A_RUN,
        client_us=middle("chain", "client_us_per_step"),
        wal_bytes=middle("chain", "wal_bytes_chained"),
        calls=middle("chain", "calls_per_step"),
        commits=middle("chain", "commits_per_step"),
        starts=starts,
        measured=middle("chain", "steps_per_s"),
    )


@dataclass(frozen=True)
class Load:
    """What a rate of steps needs: cores of the database and beside it, MB of WAL and commits a second."""

    rate: float
    server_cores: float
    client_cores: float
    wal_mb: float
    commits: float


def load(step: Step, rate: float) -> Load:
    """Return what so many steps a second need."""
    return Load(
        rate,
        rate * step.server_us / 1e6,
        rate * step.client_us / 1e6,
        rate * step.wal_bytes / 1e6,
        rate * step.commits,
    )


@dataclass(frozen=True)
class Size:
    """A server: its cores, 0 if they are shared, the disk's MB a second, connections, GB of database."""

    name: str
    cores: int
    disk_mb: float = 0.0
    connections: int = 0
    recommended_gb: int = 0


OWN = tuple(Size(str(cores), cores) for cores in (2, 4, 8, 32))

# https://supabase.com/docs/guides/platform/compute-and-disk, as read in November 2026: Mbps there
SUPABASE = (
    Size("Micro", 0, 87 / 8, 60, 10),
    Size("Small", 0, 174 / 8, 90, 50),
    Size("Medium", 0, 347 / 8, 120, 100),
    Size("Large", 2, 630 / 8, 160, 200),
    Size("XL", 4, 1188 / 8, 240, 500),
    Size("2XL", 8, 2375 / 8, 380, 1_000),
    Size("8XL", 32, 9500 / 8, 490, 4_000),
)


def by_cores(step: Step, cores: int) -> float:
    """Return the steps a second for which half of the cores suffice."""
    return cores * HALF * 1e6 / step.server_us


def by_disk(step: Step, disk_mb: float) -> float:
    """Return the steps a second whose WAL takes a third of what the disk writes."""
    return disk_mb * THIRD * 1e6 / step.wal_bytes


def dispatchers(step: Step, rate: float) -> int:
    """Return how many dispatchers such as the measured one a rate needs."""
    return ceil(rate / step.measured)
