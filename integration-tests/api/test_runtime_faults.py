"""The task runtime while networks, servers and processes fail: nothing is lost, nothing is done twice."""

from __future__ import annotations

import random
import signal
import socket
import threading
import time
from queue import SimpleQueue

import pytest
from pgflow.reporters.contract import Call, Unavailable
from pgflow.reporters.postgres import PostgresReporter
from remote_faults import answered, busy, lost_answer, silent, slow, stuck


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return bound.getsockname()[1]


@pytest.mark.parametrize(
    ("verb", "seen"), [("start", "start start complete"), ("complete", "start complete complete")]
)
def test_a_lost_answer_is_asked_for_again(remote, front, verb, seen):
    front.faults = [lost_answer(verb)]
    envelope = remote.launched("double", {"n": 21})
    assert remote.run(envelope).kind == "completed"
    assert front.seen == seen.split()
    assert (remote.task(envelope).output, len(remote.noted())) == (42, 1)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_after_a_while(remote, front, status):
    front.faults = [busy("start", status, times=2), busy("complete", status, times=2, after="0.2")]
    envelope = remote.launched("double", {"n": 1})
    assert remote.run(envelope).kind == "completed"
    assert front.seen == ["start"] * 3 + ["complete"] * 3
    assert len(remote.noted()) == 1


def test_a_failure_is_reported_as_stubbornly_as_a_result(remote, front):
    front.faults = [lost_answer("fail", times=2)]
    envelope = remote.launched("fail", {"message": "m"})
    assert remote.run(envelope).kind == "failed"
    assert front.seen == ["start", "fail", "fail", "fail"]
    assert remote.task(envelope).failures == 1


@pytest.mark.slow
def test_an_api_that_is_down_is_waited_for(serve, remote):
    port = closed_port()
    remote.url = f"http://127.0.0.1:{port}"
    envelope = remote.launched("double", {"n": 6})
    process = remote.process(envelope)
    with pytest.raises(OSError, match="refused"):  # nobody is there yet
        socket.create_connection(("127.0.0.1", port))
    time.sleep(3)  # the fault itself: refused connections for seconds, while the task waits
    assert process.poll() is None
    serve(port)
    assert process.wait(60) == 0, process.communicate()
    assert remote.task(envelope).output == 12


@pytest.mark.slow
def test_an_api_that_never_comes_back_ends_in_exit_code_1(remote, front):
    front.faults = [silent("complete")]
    envelope = remote.launched("double", {"n": 1}, timeout=15)
    process = remote.process(envelope, NO_PROXY="127.0.0.1")
    assert process.wait(180) == 1
    assert "undelivered: " in process.communicate()[1]
    assert front.seen.count("complete") > 3
    assert remote.task(envelope).status == "running"  # and its lease or its timeout ends it


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["start", "complete"])
def test_an_order_to_stop_does_not_wait_for_an_api_that_does_not_answer(remote, front, verb, monkeypatch):
    """The step may take an hour, and so may its report; the process must end before it is killed."""
    over = threading.Event()
    front.faults = [stuck(verb, over), silent("release")]
    process = remote.process(remote.launched("double", {"n": 1}, timeout=3600), NO_PROXY="127.0.0.1")
    remote.until(lambda: verb in front.seen)
    process.terminate()
    assert process.wait(60) == 1
    assert "undelivered: " in process.communicate()[1]
    over.set()


def test_a_database_that_does_not_answer_is_waited_for_as_long_as_the_call_says(remote):
    """Whatever the DSN says of connecting."""
    envelope = remote.launched("double", {"n": 1})
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        reporter = PostgresReporter(f"postgresql://u@127.0.0.1:{port}/d?connect_timeout=3600&sslmode=disable")
        call = Call("start", envelope.run_id, "work", 0, envelope.attempt_token, {"instance_id": '"i"'})
        told: SimpleQueue[Exception] = SimpleQueue()

        def make() -> None:
            try:
                reporter.call(call, 0.5)
            except Unavailable as error:
                told.put(error)

        threading.Thread(target=make, daemon=True).start()
        assert "did not answer within 0.5 s" in str(told.get(timeout=60))
        reporter.close()


@pytest.mark.slow
def test_a_slow_api_only_takes_time(remote, front):
    front.faults = [slow(0.6)]
    envelope = remote.launched("slow_double", {"n": 7, "seconds": 7}, heartbeat_timeout=9, max_attempts=1)
    assert remote.run(envelope).kind == "completed"
    assert front.seen.count("heartbeat") >= 2
    assert remote.task(envelope).output == 14


def test_without_an_answer_for_as_long_as_its_lease_a_task_ends_itself(remote, front):
    front.faults = [silent("heartbeat")]
    envelope = remote.launched("hang", heartbeat_timeout=1.5, timeout=600)
    process = remote.process(envelope)
    assert process.wait(60) == 1  # a handler that sleeps for a minute
    assert "the lease was lost" in process.communicate()[1]
    assert "complete" not in front.seen
    assert "fail" not in front.seen


@pytest.mark.slow
def test_heartbeats_survive_a_fault_that_is_shorter_than_the_lease(remote, front):
    front.faults = [lost_answer("heartbeat", times=2)]
    envelope = remote.launched("slow_double", {"n": 1, "seconds": 4}, heartbeat_timeout=6, max_attempts=1)
    assert remote.run(envelope).kind == "completed"
    assert remote.task(envelope).output == 2


def test_an_attempt_that_was_taken_over_stops(remote, front):
    envelope = remote.launched("sleep", heartbeat_timeout=6)
    thread = threading.Thread(target=remote.run, args=(envelope,))
    thread.start()
    remote.until(remote.noted)
    remote.connection.execute(
        "select pgflow.fail_step_task(%s, 'work', 0, %s, '{\"message\": \"m\"}')",
        [envelope.run_id, envelope.attempt_token],
    )
    thread.join(60)
    assert remote.noted() == ["began", "cancelled"]
    assert front.seen[-1] == "heartbeat"  # and not a word after it


def test_a_refused_result_is_a_failure_once(remote, front):
    body = b'{"code": "OUTPUT_INVALID", "message": "PostgreSQL cannot store this"}'
    front.faults = [answered("complete", 422, body)]
    envelope = remote.launched("double", {"n": 1})
    assert remote.run(envelope).kind == "failed"
    assert front.seen == ["start", "complete", "fail"]
    task = remote.task(envelope)
    assert (task.status, task.error["code"]) == ("failed", "OUTPUT_INVALID")
    assert task.error["message"] == "PostgreSQL cannot store this"


@pytest.mark.parametrize(("status", "kind"), [(409, "stopped"), (301, "undelivered")])
def test_a_handshake_that_is_refused_starts_no_user_code(remote, front, status, kind):
    front.faults = [answered("start", status, b'{"code": "X", "message": "no"}')]
    envelope = remote.launched("double", {"n": 1})
    assert remote.run(envelope).kind == kind
    assert (front.seen, remote.noted()) == (["start"], [])


@pytest.mark.slow
def test_a_killed_process_loses_nothing(remote):
    """Whenever it is killed, its lease runs out and another attempt completes the task."""
    chance = random.Random(5)
    envelope = remote.launched("slow_double", {"n": 5, "seconds": 0.2}, heartbeat_timeout=10, max_attempts=50)
    envelope_of_run = envelope
    for _ in range(4):
        process = remote.process(envelope)
        time.sleep(chance.uniform(0.3, 2))  # the fault itself: any moment of the attempt's life
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        envelope = remote.after(envelope)
        if envelope is None:
            break
    else:
        assert remote.process(envelope).wait(60) == 0
    assert remote.task(envelope_of_run).output == 10
    assert sum(line.startswith("ended") for line in remote.noted()) >= 1
