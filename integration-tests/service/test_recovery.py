"""Processes that die, databases that restart: nothing is lost, and nothing is accepted twice."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import psycopg
import pytest
from pgflow import Client
from pgflow.embedded import THROWAWAY_SETTINGS, EmbeddedServer
from trial import Gate, Load, held, loaded

ITEMS = 500
PATIENCE = 300.0


@pytest.fixture
def client(pgflow_database):
    with Client(pgflow_database) as client:
        client.deploy(loaded)
        client.deploy(held)
        yield client


@pytest.fixture
def marks(tmp_path) -> Path:
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def completed(connection) -> int:
    row = connection.execute(
        "select count(*) as done from pgflow.step_tasks where step_slug = 'work' and status = 'completed'"
    ).fetchone()
    return row["done"]


def check_every_item_once(client, connection, handle) -> None:
    """Every item has one accepted result; every further attempt is on record."""
    work = client.get_run(handle.run_id).steps[1]
    assert work.output == list(range(ITEMS))
    assert work.tasks["completed"] == ITEMS
    tasks = connection.execute(
        "select t.task_index, t.attempt, count(a.attempt) as ended "
        "from pgflow.step_tasks t "
        "left join pgflow.step_task_attempts a using (run_id, step_slug, task_index) "
        "where t.step_slug = 'work' group by 1, 2"
    ).fetchall()
    assert len(tasks) == ITEMS
    assert all(task["ended"] == task["attempt"] - 1 for task in tasks)


def test_killed_dispatcher_is_replaced_when_its_leases_end(
    client, pgflow_database, pgflow_connection, processes, eventually, marks
):
    handle = client.start(loaded, Load(ITEMS, 0.01, str(marks)))
    first = processes(pgflow_database, lease=3.0)
    eventually(lambda: completed(pgflow_connection) > 20)
    second = processes(pgflow_database)
    eventually(lambda: second.said("listening for ready tasks"))
    orphans = first.workers()
    first.kill()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans))
    assert handle.result(PATIENCE) == sum(range(ITEMS))
    check_every_item_once(client, pgflow_connection, handle)
    assert not second.was_robbed()


def test_killed_workers_cost_only_what_they_ran(
    client, pgflow_database, pgflow_connection, processes, eventually, marks
):
    handle = client.start(loaded, Load(ITEMS, 0.005, str(marks)))
    dispatcher = processes(pgflow_database, settings={"processes": 2})
    for count in (50, 150, 300):
        eventually(lambda count=count: completed(pgflow_connection) >= count)
        for pid in eventually(dispatcher.workers):
            os.kill(pid, signal.SIGKILL)
    assert handle.result(60) == sum(range(ITEMS))
    check_every_item_once(client, pgflow_connection, handle)
    assert dispatcher.terminate() == 0


@pytest.mark.slow
def test_dispatchers_killed_again_and_again_finish_in_the_end(
    client, pgflow_database, pgflow_connection, processes, eventually, marks
):
    chance = random.Random(7)
    handle = client.start(loaded, Load(ITEMS, 0.005, str(marks)))
    survivor = processes(pgflow_database)
    for _ in range(3):
        victim = processes(pgflow_database, lease=1.5)
        moment = time.monotonic() + chance.uniform(0, 0.6)
        eventually(lambda moment=moment: time.monotonic() > moment)
        victim.kill()
    assert handle.result(PATIENCE) == sum(range(ITEMS))
    check_every_item_once(client, pgflow_connection, handle)
    assert survivor.terminate() == 0


@pytest.mark.slow
def test_two_dispatchers_share_the_work(
    client, pgflow_database, pgflow_connection, processes, eventually, marks
):
    both = [processes(pgflow_database) for _ in range(2)]
    for dispatcher in both:
        eventually(lambda dispatcher=dispatcher: dispatcher.said("listening for ready tasks"))
    handle = client.start(loaded, Load(ITEMS, 0.005, str(marks)))
    assert handle.result(60) == sum(range(ITEMS))
    check_every_item_once(client, pgflow_connection, handle)
    shares = pgflow_connection.execute(
        "select worker_id, count(*) from pgflow.step_tasks where step_slug = 'work' group by 1"
    ).fetchall()
    assert len(shares) == 2
    assert len(list(marks.iterdir())) == ITEMS
    assert [dispatcher.terminate() for dispatcher in both] == [0, 0]


class TestTermination:
    """SIGTERM and SIGINT."""

    def test_running_task_may_finish(self, client, pgflow_database, processes, eventually, marks):
        gate = Gate(str(marks))
        handle = client.start(held, gate)
        dispatcher = processes(pgflow_database, grace=60)
        eventually(gate.path("started").exists)
        dispatcher.popen.send_signal(signal.SIGTERM)
        eventually(lambda: dispatcher.said("stopping: 1 attempts"))
        later = client.start(held, Gate(str(marks), "later"))
        gate.path("go").touch()
        assert dispatcher.popen.wait(60) == 0
        assert handle.result(5) == "gate"
        assert dispatcher.said("0 attempts were cut short and handed back")
        assert later.status() == "running"
        assert client.get_run(later.run_id).steps[0].tasks["queued"] == 1

    def test_what_outlasts_the_grace_is_handed_back(
        self, client, pgflow_database, pgflow_connection, processes, eventually, marks
    ):
        gate = Gate(str(marks))
        handle = client.start(held, gate)
        dispatcher = processes(pgflow_database, grace=0.3)
        eventually(gate.path("started").exists)
        assert dispatcher.terminate() == 0
        step = client.get_run(handle.run_id).steps[0]
        assert (step.tasks["queued"], step.attempts) == (1, 1)
        history = pgflow_connection.execute("select outcome from pgflow.step_task_attempts").fetchall()
        assert history == [{"outcome": "released"}]
        assert dispatcher.said("1 attempts were cut short and handed back")
        gate.path("go").touch()
        processes(pgflow_database)
        assert handle.result(60) == "gate"

    def test_second_signal_hurries(self, client, pgflow_database, processes, eventually, marks):
        gate = Gate(str(marks))
        client.start(held, gate)
        dispatcher = processes(pgflow_database, grace=600)
        eventually(gate.path("started").exists)
        dispatcher.popen.send_signal(signal.SIGINT)
        eventually(lambda: dispatcher.said("stopping"))
        dispatcher.popen.send_signal(signal.SIGINT)
        assert dispatcher.popen.wait(60) == 0


@pytest.mark.slow
def test_frozen_dispatcher_cannot_have_its_late_result_accepted(
    client, pgflow_database, pgflow_connection, processes, eventually, marks
):
    gate = Gate(str(marks))
    handle = client.start(held, gate)
    frozen = processes(pgflow_database, lease=5.0)
    eventually(gate.path("started").exists)
    frozen.popen.send_signal(signal.SIGSTOP)
    gate.path("started").unlink()
    second = processes(pgflow_database)
    eventually(gate.path("started").exists)
    frozen.popen.send_signal(signal.SIGCONT)
    eventually(lambda: frozen.said("attempt is over") or frozen.said("report came too late"))
    assert handle.status() == "running"
    gate.path("go").touch()
    assert handle.result(60) == "gate"
    attempts = pgflow_connection.execute(
        "select attempt, outcome from pgflow.step_task_attempts order by attempt"
    ).fetchall()
    assert attempts == [{"attempt": 1, "outcome": "lost"}]
    assert [each.terminate() for each in (frozen, second)] == [0, 0]


class TestDatabaseRestart:
    """The server goes away and comes back."""

    @pytest.fixture
    def server(self, tmp_path):
        """A server of the test's own, which can be stopped and started again on the same port."""
        from pgflow_sql import migrate

        folder = tmp_path / "server"
        server = EmbeddedServer.ensure(folder, settings=THROWAWAY_SETTINGS)
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            migrate(connection)
        restartable = Server(server, folder)
        yield restartable
        restartable.stop()

    def test_nothing_is_lost(self, server, processes, eventually, marks):
        with Client(server.dsn) as client:
            client.deploy(loaded)
            handle = client.start(loaded, Load(ITEMS, 0.005, str(marks)))
            dispatcher = processes(server.dsn, settings={"processes": 2})
            for count in (50, 250):
                eventually(lambda count=count: len(list(marks.iterdir())) >= count)
                server.stop()
                eventually(lambda: dispatcher.said("database lost"))
                server.start()
            assert handle.result(PATIENCE) == sum(range(ITEMS))
            assert client.get_run(handle.run_id).steps[1].tasks["completed"] == ITEMS
            assert server.violations() == []
        assert dispatcher.terminate() == 0

    @pytest.mark.slow
    def test_running_task_survives_an_outage_longer_than_its_lease(
        self, server, processes, eventually, marks
    ):
        gate = Gate(str(marks))
        with Client(server.dsn) as client:
            client.deploy(held)
            handle = client.start(held, gate)
            holder, other = processes(server.dsn, lease=20.0), processes(server.dsn, lease=20.0)
            eventually(gate.path("started").exists)
            server.stop()
            back = time.monotonic() + 25
            eventually(lambda: time.monotonic() > back)
            server.start()
            eventually(lambda: holder.said("database is back") and other.said("database is back"))
            gate.path("go").touch()
            assert handle.result(60) == "gate"
            assert client.get_run(handle.run_id).steps[0].attempts == 0
            assert server.violations() == []


class Server:
    """The server of TestDatabaseRestart."""

    def __init__(self, running: EmbeddedServer, folder: Path) -> None:
        self.running = running
        self.folder = folder
        self.dsn = running.dsn()
        self.port = running.port

    def stop(self) -> None:
        self.running.stop()

    def start(self) -> None:
        self.running = EmbeddedServer.ensure(self.folder, port=self.port, settings=THROWAWAY_SETTINGS)

    def violations(self) -> list[tuple]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute("select * from pgflow.check_invariants()").fetchall()
