"""What a handler, or its process, does wrong is the failure of its own task and of no other."""

import logging

import pytest

from .support import alive, until


@pytest.mark.parametrize("handler", ["fail", "fail_async"])
async def test_an_exception_is_reported_with_its_traceback(local, handler):
    executor = await local()
    report = await executor.run(handler, message="no such customer")
    assert (report.outcome, report.retryable, report.retry_after_seconds) == ("fail", True, None)
    assert report.error["code"] == "HANDLER_ERROR"
    assert report.error["type"] == "ValueError"
    assert report.error["message"] == "no such customer"
    assert "deeds.py" in report.error["traceback"]
    assert "pgflow_local" not in report.error["traceback"]


async def test_what_a_handler_raises_on_purpose_is_passed_on(local):
    executor = await local()
    assert (await executor.run("give_up")).retryable is False
    report = await executor.run("retry_after", seconds=12.5)
    assert (report.retryable, report.retry_after_seconds) == (True, 12.5)


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_no_exception_ends_the_process(local, concurrency):
    """SystemExit, KeyboardInterrupt, CancelledError and MemoryError are failures like any other."""
    executor = await local(concurrency_per_process=concurrency)
    before = await executor.value("pid")
    for handler in ("interrupt", "interrupt_async", "cancel_itself", "exhaust_memory"):
        report = await executor.run(handler)
        assert (report.outcome, report.retryable) == ("fail", True), handler
    for handler in ("leave", "leave_async"):
        report = await executor.run(handler, code=3)
        assert report.error["code"] == "HANDLER_EXITED", handler
    assert await executor.value("pid") == before


async def test_a_wrong_input_is_not_retryable(local):
    executor = await local()
    report = await executor.run("add", a="one")
    assert (report.error["code"], report.retryable) == ("INPUT_INVALID", False)


CRASHES = {
    "hard_exit": ({"code": 7}, "exited with code 7"),
    "segfault": ({}, "was killed by SIGSEGV"),
    "kill_itself": (
        {},
        "was killed by SIGKILL and PGFlow did not send it: perhaps the kernel's out-of-memory",
    ),
}


@pytest.mark.parametrize(("handler", "crash"), CRASHES.items(), ids=CRASHES)
async def test_a_crash_fails_the_task_and_says_how_it_died(local, handler, crash):
    arguments, said = crash
    executor = await local()
    before = await executor.value("pid")
    report = await executor.run(handler, **arguments)
    assert (report.outcome, report.error["code"], report.retryable) == ("fail", "CRASHED", True)
    assert said in report.error["message"]
    assert await executor.value("pid") != before


async def test_a_crash_report_has_the_last_output(local):
    executor = await local()
    report = await executor.run("hard_exit", code=1)
    assert report.error["message"].endswith("its last output was:\nlast words")
    assert report.log_tail == "last words\n"
    report = await executor.run("segfault")
    assert "in segfault" in report.error["message"]  # the Python stack at the time


async def test_a_process_that_cuts_itself_off_is_a_crash(local):
    """It costs an attempt: handed back, it would come again for ever."""
    executor = await local()
    report = await executor.run("close_everything")
    assert (report.outcome, report.error["code"]) == ("fail", "CRASHED")
    assert "the handler closed the worker's connection to the dispatcher" in report.error["message"]
    assert await executor.value("echo", value=1) == 1


async def test_a_crash_in_one_of_many_fails_those_that_ran_there(local, tmp_path):
    executor = await local(concurrency_per_process=2)
    beside = await executor.launch("block_async", started=str(tmp_path / "on"), until=str(tmp_path / "never"))
    report = await executor.run("hard_exit", code=1)
    assert report.error["code"] == "CRASHED"
    assert (await executor.ended(beside)).error["code"] == "CRASHED"
    assert await executor.value("echo", value=1) == 1


@pytest.mark.parametrize(
    ("module", "handler", "said"),
    [
        ("deeds", "no_such_function", "module 'deeds' has no function 'no_such_function'"),
        ("no_such_module", "run", "No module named 'no_such_module'"),
        ("needs_more", "run", "No module named 'a_module_that_nobody_has'"),
        ("exits", "run", "no display"),
    ],
)
async def test_a_missing_handler_is_handed_back(local, caplog, module, handler, said):
    executor = await local()
    for _ in range(2):
        report = await executor.run(handler, module=module)
        assert (report.outcome, report.retry_after_seconds) == ("release", 30.0)
        assert report.error["code"] == "HANDLER_MISSING"
        assert said in report.error["message"]
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert said in record.getMessage()


@pytest.mark.parametrize(("module", "line"), [("needs_more", "import a_module_that"), ("exits", "sys.exit(")])
async def test_a_module_that_cannot_be_imported_is_reported_with_its_own_frames(local, caplog, module, line):
    executor = await local()
    report = await executor.run("run", module=module)
    traceback = report.error["traceback"]
    assert line in traceback
    files = [each.strip() for each in traceback.splitlines() if each.strip().startswith("File ")]
    assert all(f"{module}.py" in each for each in files), files
    assert traceback.rstrip() in caplog.text


async def test_a_crash_while_importing_is_a_crash(local):
    executor = await local()
    report = await executor.run("run", module="dies")
    assert (report.outcome, report.error["code"]) == ("fail", "CRASHED")
    assert "exited with code 9" in report.error["message"]


async def test_only_handlers_of_the_project_run_unless_listed(local):
    executor = await local()
    report = await executor.run("getcwd", module="os")
    assert (report.outcome, report.error["code"]) == ("release", "HANDLER_MISSING")
    assert "os is not part of the project" in report.error["message"]
    report = await executor.run("dumps", module="pydantic_core", value=1)
    assert "pydantic_core is not part of the project" in report.error["message"]


async def test_a_list_of_handlers_is_all_that_runs(local):
    executor = await local(handlers=["deeds:add", "json.*"])
    assert await executor.value("add", a=1) == 11
    assert await executor.value("dumps", module="json", obj=[1]) == "[1]"
    report = await executor.run("noop")
    assert "deeds:noop may not run here: it matches none of the patterns" in report.error["message"]


async def test_a_forked_child_that_comes_back_is_not_a_second_worker(local):
    executor = await local()
    assert await executor.value("fork_and_return") == "parent"
    assert await executor.value("echo", value="one answer") == "one answer"


async def test_children_left_behind_die_with_their_process(local, tmp_path):
    executor = await local()
    file = tmp_path / "pid"
    await executor.run("leave_child", pid_file=str(file))
    child = int(file.read_text())
    assert alive(child)
    await executor.run("hard_exit", code=1)
    await until(lambda: not alive(child))
