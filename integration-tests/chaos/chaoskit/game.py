"""One game: start runs, break things by the plan, wait for the last run to end, judge."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pgflow import Client, DatabaseError

from .fleet import Fleet
from .flows import Load, attacked
from .plan import Fault, plan
from .proxy import Proxy
from .server import Server, wait_for
from .verdict import Verdict, judge

JUMP = 3600.0
SLOW = 0.05


@dataclass(frozen=True)
class Rules:
    """What is played."""

    seed: int
    tasks: int
    seconds: float
    items: int = 48
    dispatchers: int = 3
    processes: int = 1
    lease: float = 3.0
    pace: float = 1.0
    patience: float = 600.0
    """Seconds that the last run may take once nothing is broken any more."""

    @property
    def runs(self) -> int:
        return max(1, self.tasks // (self.items + 2))


class Game:
    """The pieces of one game, and the hand that breaks them."""

    def __init__(self, rules: Rules, server: Server, proxy: Proxy, fleet: Fleet) -> None:
        self.rules = rules
        self.server = server
        self.proxy = proxy
        self.fleet = fleet
        self.broken: Counter[str] = Counter()
        self._to_mend: list[tuple[float, Callable[[], None]]] = []
        self._began = time.monotonic()

    def play(self, say: Callable[[str], None]) -> None:
        """Break things until the plan is through, then mend everything."""
        wait_for(lambda: self.server.rows("select from chaos.effects limit 1"), "the first task to run")
        self._began = time.monotonic()
        for fault in plan(self.rules.seed, self.rules.seconds, pace=self.rules.pace, lease=self.rules.lease):
            self._wait_until(fault.at)
            say(f"{fault.at:7.1f} s  {fault.kind} {fault.target} {fault.lasting:g} s")
            self._break(fault)
            self.broken[fault.kind] += 1
        self._wait_until(self.rules.seconds)
        for _, mend in self._to_mend:
            mend()
        self._to_mend.clear()

    def _wait_until(self, at: float) -> None:
        while (now := time.monotonic() - self._began) < at:
            for due, mend in [entry for entry in self._to_mend if entry[0] <= now]:
                mend()
                self._to_mend.remove((due, mend))
            self.fleet.tend()
            time.sleep(0.02)

    def _later(self, fault: Fault, mend: Callable[[], None]) -> None:
        self._to_mend.append((time.monotonic() - self._began + fault.lasting, mend))

    def _break(self, fault: Fault) -> None:
        fleet, proxy, server = self.fleet, self.proxy, self.server
        match fault.kind:
            case "kill dispatcher":
                fleet.kill(fault.target)
            case "kill worker":
                fleet.kill_worker(fault.target)
            case "kill backend":
                server.kill_backend(fault.target)
            case "freeze dispatcher":
                fleet.signal(fault.target, signal.SIGSTOP)
                self._later(fault, lambda: fleet.signal(fault.target, signal.SIGCONT))
            case "restart server":
                server.stop_at_once()
                server.start()
            case "cut network":
                proxy.cut()
                self._later(fault, proxy.mend)
            case "drop connections":
                proxy.drop()
            case "slow network":
                proxy.delay = SLOW
                self._later(fault, proxy.mend)
            case "jump clock":
                fleet.jump(fault.target, JUMP if fault.target % 2 else -JUMP)


def feed(rules: Rules, dsn: str, expected: dict[str, int]) -> None:
    """Start the runs bit by bit, each until it is surely started: the key keeps it from starting twice."""
    began = time.monotonic()
    for number in range(rules.runs):
        at = rules.seconds * 0.8 * number / rules.runs
        time.sleep(max(0.0, began + at - time.monotonic()))
        load = Load(number * 1000, rules.items, 0.002)
        expected[f"load {number}"] = sum(load.number + place for place in range(load.items))
        while not started(dsn, load, f"load {number}"):
            time.sleep(0.1)


def started(dsn: str, load: Load, key: str) -> bool:
    try:
        with Client(dsn) as client:
            client.start(attacked, load, idempotency_key=key)
    except DatabaseError:
        return False
    return True


def play(rules: Rules, folder: Path, say: Callable[[str], None] = print) -> Verdict:
    """Play a game in an empty folder; raises TimeoutError if a run does not end."""
    server = Server(folder / "server")
    try:
        with Proxy(("127.0.0.1", server.port)) as proxy:
            through = server.through(proxy.port)
            with Client(server.dsn) as client:
                client.deploy(attacked)
            fleet = Fleet(
                folder, through, server.dsn,
                size=rules.dispatchers, processes=rules.processes, lease=rules.lease,
            )  # fmt: skip
            try:
                return _play(rules, Game(rules, server, proxy, fleet), through, say)
            finally:
                fleet.close()
    finally:
        server.close()


def _play(rules: Rules, game: Game, through: str, say: Callable[[str], None]) -> Verdict:
    server, fleet = game.server, game.fleet
    expected: dict[str, int] = {}
    feeder = threading.Thread(target=feed, args=(rules, through, expected), daemon=True)
    began = time.monotonic()
    feeder.start()
    game.play(say)

    def ended() -> bool:
        fleet.tend()
        return not feeder.is_alive() and server.rows(
            "select count(*) from pgflow.runs where status = 'running'"
        ) == [(0,)]

    wait_for(ended, "the last run", rules.patience)
    seconds = time.monotonic() - began
    verdict = judge(server, expected, rules.runs * (rules.items + 2))
    verdict.must_be("exit codes of the drained dispatchers", set(fleet.stop()), {0})
    verdict.figures["dispatchers started"] = fleet.starts
    verdict.figures |= {f"{kind}, times": number for kind, number in sorted(game.broken.items())}
    verdict.figures["seconds"] = round(seconds)
    return verdict
