"""A session that does something at random, again and again, and calls again as our clients do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import psycopg

from .definitions import Json
from .engine import Engine, complete_report, fail_report, reference, release_report
from .random_flows import definition, random_input, random_output, random_steps
from .sessions import CONTENTION, backend_pid, until

Row = Any
Act = Callable[[], object]

FLOWS, RUNNING = 6, 40
EXECUTORS = ["local", "far"]
REFUSALS = {
    "PF002": "the flow was deleted",
    "PF003": "pruned, or an item that a rerun does not have",
    "PF005": "not possible in the state that another session brought about",
    "PF008": "an input that is no array where a map needs one",
}
SHORT_TIMES = {
    "base_delay": 0.01, "jitter": 0.5, "timeout": 1.5, "launch_timeout": 0.5, "heartbeat_timeout": 0.3,
}  # fmt: skip


class Monkey:
    """One such session; it counts what it tried again and what it was refused, by SQLSTATE."""

    def __init__(self, open_engine: Callable[[], Engine], seed: int) -> None:
        self.open_engine = open_engine
        self.engine = open_engine()
        self.random = Random(seed)
        self.tasks: list[Row] = []
        self.old: list[Row] = []
        self.calls = 0
        self.contended: Counter[str | None] = Counter()
        self.refused: Counter[str | None] = Counter()
        self.choices = [self.start, self.claim, self.claim, self.exchange, self.report, self.single] * 4
        self.choices += [self.start_many, self.heartbeat, self.release, self.launches, self.handshake] * 2
        self.choices += [
            self.on_a_run,
            self.on_a_run,
            self.on_an_executor,
            self.define,
            self.upkeep,
            self.look,
        ]

    def play(self, goes_on: Callable[[], bool]) -> None:
        """Act as long as it goes on; what is refused must be what a client may meet."""
        while goes_on():
            act = self.random.choice(self.choices)()
            self.calls += 1
            try:
                if self.random.random() < 0.05:
                    self.in_transaction(act)
                else:
                    self.as_client(act)
            except psycopg.Error as error:
                if error.sqlstate not in REFUSALS:
                    raise
                self.refused[error.sqlstate] += 1

    def as_client(self, act: Act) -> None:
        """Call until nobody is in the way."""
        while True:
            try:
                act()
            except psycopg.Error as error:
                if error.sqlstate not in CONTENTION:
                    raise
                self.contended[error.sqlstate] += 1
            else:
                return

    def in_transaction(self, act: Act) -> None:
        """Act in a transaction that commits, rolls back, or dies with its session."""
        end = self.random.choice(["commit", "rollback", "kill"])
        self.engine.rows("begin")
        try:
            act()
        except psycopg.Error as error:
            self.engine.rows("rollback")
            if error.sqlstate not in CONTENTION:
                raise
            self.contended[error.sqlstate] += 1
            return
        self.engine.rows("select pg_sleep(%s)", self.random.choice([0, 0.02, 0.3]))
        if end == "kill":
            self.die()
        else:
            self.engine.rows(end)

    def die(self) -> None:
        """Lose the session as a killed process does, and open another."""
        dead, self.engine = self.engine, self.open_engine()
        pid = backend_pid(dead)
        self.engine.rows("select pg_terminate_backend(%s)", pid)
        until(lambda: not self.engine.rows("select 1 from pg_stat_activity where pid = %s", pid))
        dead.connection.close()

    # -- starting ----------------------------------------------------------------------------------

    def define(self) -> Act:
        """Give a flow another shape, or its slug a first one."""
        array_input = self.random.random() < 0.6
        steps = random_steps(self.random, array_input)
        made = definition(f"f{self.random.randrange(FLOWS)}", steps, None)
        made["options"] = SHORT_TIMES | {"start_delay": self.random.choice([0, 0, 0.05])}
        for step in made["steps"]:
            step["executor"] = self.random.choice(EXECUTORS)
        return partial(self.engine.define_json, made)

    def start(self) -> Act:
        """Start a run, sometimes one that another session starts too; at most so many at a time."""
        running = self.engine.value("select count(*) from pgflow.runs where status = 'running'")
        flow = self.engine.rows(
            "select flow_slug from pgflow.flows where is_active order by random() limit 1"
        )
        if running > RUNNING or not flow:
            return self.define()
        keys: dict[str, Any] = {"priority": self.random.choice([None, None, -1, 7])}
        if self.random.random() < 0.3:
            keys["idempotency_key"] = str(self.random.randrange(100))
        value = random_input(self.random, self.random.random() < 0.7)
        return partial(self.engine.start, flow[0].flow_slug, value, **keys)

    def start_many(self) -> Act:
        """Start some runs in one call."""
        start = self.start()
        if not isinstance(start, partial) or start.func != self.engine.start:
            return start
        values = [random_input(self.random, True) for _ in range(self.random.randrange(1, 6))]
        keys = [str(self.random.randrange(100, 200)) for _ in values]
        return partial(self.engine.run_many, start.args[0], values, idempotency_keys=keys)

    # -- tasks -------------------------------------------------------------------------------------

    def claim(self) -> Act:
        """Claim for itself or for another place."""
        keys = {"executor": self.random.choice(EXECUTORS), "lease": self.random.choice([0.05, 1])}
        mode = self.random.choice(["start", "start", "launch"])
        count = self.random.choice([1, 3, 20])
        return lambda: self.tasks.extend(self.engine.claim(count, mode=mode, **keys))

    def exchange(self) -> Act:
        """Report and claim."""
        reports, count = self.reports(), self.random.randrange(8)
        executor = self.random.choice(EXECUTORS)

        def act() -> None:
            rows = self.engine.exchange(reports, count, executor=executor, lease=0.3)
            self.tasks += [row for row in rows if row.kind == "task"]

        return act

    def report(self) -> Act:
        """Report a batch."""
        return partial(self.engine.report, self.reports())

    def single(self) -> Act:
        """Report one attempt."""
        tasks = self.some(1)
        if not tasks:
            return self.claim()
        output = random_output(self.random, tasks[0].step_slug)
        return self.random.choice([
            *[partial(self.engine.complete, tasks[0], output)] * 5,
            partial(self.engine.fail, tasks[0], retryable=self.random.random() < 0.8),
        ])  # fmt: skip

    def heartbeat(self) -> Act:
        """Renew some leases."""
        return partial(self.engine.heartbeat, *self.some(8, again=True), lease=0.3)

    def release(self) -> Act:
        """Hand some attempts back."""
        return partial(self.engine.release, *self.some(3), delay=self.random.choice([0, 0.05]))

    def launches(self) -> Act:
        """Say what became of launches."""
        said: list[dict[str, Json]] = [{"outcome": "unknown"}]
        said += [{"outcome": "accepted", "external_id": "somewhere"}] * 4
        said += [
            {"outcome": "rejected", "kind": kind, "retry_after_seconds": 0.01}
            for kind in ("throttled", "transient", "permanent")
        ]
        tasks = self.some(8, again=True)
        return partial(self.engine.launches, *(reference(task) | self.random.choice(said) for task in tasks))

    def handshake(self) -> Act:
        """Begin an attempt in one of two places."""
        tasks = self.some(1, again=True)
        return partial(self.engine.begin, tasks[0], self.random.choice("ab")) if tasks else self.claim()

    def some(self, most: int, *, again: bool = False) -> list[Row]:
        """Return attempts of its own, in hand or reported before; they stay in hand if `again`."""
        count = min(self.random.randrange(1, most + 1), len(self.tasks))
        self.random.shuffle(self.tasks)
        fresh, self.tasks = self.tasks[:count], self.tasks[0 if again else count :]
        self.old = (self.old + fresh)[-60:]
        return fresh + self.random.sample(self.old, min(len(self.old), self.random.choice([0, 0, 1, 3])))

    def reports(self) -> list[dict[str, Json]]:
        """Return the reports of some attempts, now and then two of one."""
        kinds: list[Callable[[Row], dict[str, Json]]] = [complete_report] * 6
        kinds += [fail_report, release_report, partial(fail_report, retryable=False)]
        return [
            self.random.choice(kinds)(task) | {"output": random_output(self.random, task.step_slug)}
            for task in self.some(20)
        ]

    # -- runs, flows, executors --------------------------------------------------------------------

    def on_a_run(self) -> Act:
        """Cancel, reopen, pause, resume or push a run."""
        runs = self.engine.rows("select run_id from pgflow.runs order by random() limit 1")
        if not runs:
            return self.start()
        (run_id,) = runs[0]
        steps = list(self.engine.steps(run_id)) or ["gone"]
        resume = partial(self.engine.rows, "select pgflow.resume_run(%s)", run_id)
        return self.random.choice([
            partial(self.engine.cancel, run_id),
            partial(self.engine.retry, run_id),
            partial(self.engine.retry, run_id, self.random.choice(steps)),
            partial(self.engine.rows, "select pgflow.pause_run(%s)", run_id),
            resume,
            resume,
            partial(self.engine.rows, "select pgflow.start_step(%s, %s)", run_id, self.random.choice(steps)),
        ])  # fmt: skip

    def on_an_executor(self) -> Act:
        """Pause or resume an executor."""
        verb = self.random.choice(["pause", "resume", "resume"])
        return partial(self.engine.rows, f"select pgflow.{verb}_executor(%s)", self.random.choice(EXECUTORS))

    def upkeep(self) -> Act:
        """Maintain, prune or delete."""
        slug = f"f{self.random.randrange(FLOWS)}"
        return self.random.choice([
            *[self.engine.maintain] * 4,
            *[partial(self.engine.rows, "select pgflow.prune_runs('0.5 seconds', 20)")] * 3,
            partial(self.engine.rows, "select pgflow.delete_flow(%s, %s)", slug, self.random.random() < 0.7),
            partial(self.engine.rows, "select pgflow.postpone_lease_expiry(0.05)"),
        ])  # fmt: skip

    def look(self) -> Act:
        """Read."""
        runs = self.engine.rows("select run_id from pgflow.runs order by random() limit 1")
        wake = partial(self.engine.next_wake_at, *EXECUTORS)
        return self.random.choice([wake, *(partial(self.engine.get_run, run_id) for (run_id,) in runs)])
