"""What a task writes comes with its report: its own, all of it up to a limit, and nothing of others."""

import json

import pytest

from .support import until


async def test_a_silent_task_has_no_log(local):
    executor = await local()
    assert (await executor.run("noop")).log_tail is None
    assert (await executor.run("fail", message="")).log_tail is None


async def test_everything_a_sync_task_and_its_children_write_is_its_log(local):
    executor = await local()
    lines = (await executor.run("say_everywhere")).log_tail.splitlines()
    assert {"python stdout", "python stderr", "a child process", "C code"} <= set(lines)
    assert any(line.endswith("INFO shop: a log record") for line in lines)
    assert any(line.endswith("WARNING pgflow.task: the task's logger") for line in lines)
    assert (await executor.run("noop")).log_tail is None


async def test_log_records_as_json_name_the_attempt(local):
    executor = await local(log_format="json")
    lines = (await executor.run("say_everywhere")).log_tail.splitlines()
    records = {line["logger"]: line for line in map(json.loads, filter(lambda x: x.startswith("{"), lines))}
    assert records["shop"]["message"] == "a log record"
    assert records["pgflow.task"]["message"] == "the task's logger"
    for record in records.values():
        assert {"run_id", "flow", "step", "task_index", "attempt"} <= set(record)
        assert record["executor"] == "local"


async def test_the_log_of_a_failed_task_is_kept(local):
    executor = await local()
    report = await executor.run("say_and_fail")
    assert (report.error["message"], report.log_tail) == ("fell", "before the fall\n")


async def test_only_the_tail_of_much_output_is_kept(local):
    executor = await local(log_bytes=1000)
    report = await executor.run("say", text="x" * 99, times=10_000)
    first, _, rest = report.log_tail.partition("\n")
    assert first == "[... 999000 bytes of output dropped ...]"
    assert rest == ("x" * 99 + "\n") * 10
    assert (await executor.run("say", text="next")).log_tail == "next\n"


async def test_bytes_that_are_no_text_do_no_harm(local):
    executor = await local()
    assert (
        await executor.run("say_bytes")
    ).log_tail == "not utf-8: \N{REPLACEMENT CHARACTER}, and NUL: \0.\n"


async def test_endless_output_does_not_fill_the_disk(local, tmp_path):
    executor = await local(log_bytes=1000)
    gate = tmp_path / "gate"
    attempt = await executor.launch("say_forever", started=str(tmp_path / "started"), until=str(gate))
    await until((tmp_path / "started").exists)
    (process,) = executor.executor._pool.processes
    await until(lambda: process.output_size() > 1_048_576)
    await until(lambda: process.output_size() < 1_048_576)
    gate.touch()
    report = await executor.ended(attempt)
    assert report.log_tail.endswith("the end\n")
    assert len(report.log_tail) < 1100


async def test_a_handler_that_closes_its_stdout_only_hurts_itself(local):
    executor = await local()
    assert (await executor.run("close_stdout")).outcome == "complete"
    assert await executor.value("echo", value=1) == 1


async def test_concurrent_tasks_do_not_mix_their_output(local, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    executor = await local(concurrency_per_process=2)
    one = await executor.launch("say_async", text="one", other="two")
    two = await executor.launch("say_async", text="two", other="one")
    assert (await executor.ended(one)).log_tail == "one first\none second\n"
    assert (await executor.ended(two)).log_tail == "two first\ntwo second\n"


async def test_concurrent_tasks_keep_the_tail_too(local):
    executor = await local(concurrency_per_process=2, log_bytes=1000)
    report = await executor.run("say", text="x" * 99, times=50)
    assert report.log_tail == "[... 4000 bytes of output dropped ...]\n" + ("x" * 99 + "\n") * 10


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_no_log_is_kept_if_none_is_wanted(local, concurrency):
    executor = await local(log_bytes=0, concurrency_per_process=concurrency)
    assert (await executor.run("say", text="hush")).log_tail is None
