"""A command is any program: JSON in, JSON out, its exit code the verdict."""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
from pgflow.errors import OutputInvalid
from pgflow.executor import Rejected
from pgflow_local import Local
from pgflow_local.settings import LocalSettings
from pgflow_local.worker.command import CommandHandler
from pydantic import ValidationError

from .support import alive, until

SHELL = "#!/bin/sh\n"


@pytest.fixture
def command(local, tmp_path):
    """A factory: an executor with one command `it`, a shell script or any argv."""

    async def make(script, **settings):
        argv = script
        if isinstance(script, str):
            file = tmp_path / "it.sh"
            file.write_text(SHELL + script)
            file.chmod(0o755)
            argv = [str(file)]
        return await local(commands={"it": {"argv": argv, **settings}})

    return make


async def run(executor, handler="count", **arguments):
    """The report of a step that runs `it`."""
    options = {"command": "it", **arguments.pop("options", {})}
    return await executor.ended(await executor.launch(handler, options=options, **arguments))


async def test_it_reads_its_parameters_and_its_output_is_the_step_s(command):
    executor = await command('read -r given; echo "$given" >&2; echo \'{"words": 2}\'')
    report = await run(executor, text="so it goes", unit="words")
    assert executor.output(report) == {"words": 2}
    assert json.loads(report.log_tail) == {"text": "so it goes", "unit": "words"}


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
async def test_it_is_written_in_any_language(command, tmp_path):
    script = tmp_path / "count.mjs"
    script.write_text(
        "import { readFileSync } from 'node:fs';\n"
        "const { text } = JSON.parse(readFileSync(0, 'utf8'));\n"
        "console.log(JSON.stringify({ words: text.split(' ').length }));\n"
    )
    executor = await command(["node", str(script)])
    assert executor.output(await run(executor, text="Grüße an alle")) == {"words": 3}


async def test_it_needs_no_python_function(command):
    executor = await command("cat")
    report = await run(executor, "echo", module="command", text="é", number=1.5)
    assert executor.output(report) == {"text": "é", "number": 1.5}


def test_what_it_reads_and_writes_keeps_every_digit():
    handler = CommandHandler({"name": "it"}, stub=None)
    given = handler.decode(
        '{"price": "run", "rate": {"const": 0.10000000000000000001}, "left_out": "skipped"}',
        '{"run": {"of": [12345678901234567890.10]}}',
    )
    assert given.positional == (
        '{"price": {"of": [12345678901234567890.10]}, "rate": 0.10000000000000000001}',
    )
    assert handler.encode("[1.10000000000000000001]") == "[1.10000000000000000001]"
    with pytest.raises(OutputInvalid, match="NaN or Infinity"):
        handler.encode("[1e999]")


async def test_plugins_may_edit_how_it_is_started(command, tmp_path):
    shown = []
    executor = await command('echo "\\"$0 $1 $TRACE $PWD\\""', environment={"TRACE": "none"})

    def edited(attempt, body):
        shown.append((attempt.step_slug, body))
        body["environment"]["TRACE"] = f"of-{attempt.step_slug}"
        return {**body, "argv": [*body["argv"], "more"], "cwd": str(tmp_path)}

    executor.edited = edited
    started = f"{tmp_path}/it.sh more of-deed {tmp_path}"
    assert executor.output(await run(executor, "it", module="command")) == started
    assert [(step, sorted(body)) for step, body in shown] == [("deed", ["argv", "cwd", "environment"])]


@pytest.mark.parametrize(("change", "named"), [({"argv": []}, "argv"), ({"shell": True}, "shell")])
async def test_what_plugins_made_of_it_and_cannot_be_started_fails_the_task(command, change, named):
    executor = await command("exit 0")
    executor.edited = lambda _, body: {**body, **change}
    attempt = executor.attempt("it", module="command", options={"command": "it"})
    result = await executor.executor.launch(attempt)
    assert isinstance(result, Rejected)
    assert (result.kind, named in result.reason) == ("permanent", True)


async def test_no_output_is_null(command):
    executor = await command("exit 0")
    assert executor.output(await run(executor, "it", module="command")) is None


async def test_large_inputs_and_outputs_pass(command):
    executor = await command(["cat"])
    text = "é" * 1_000_000
    assert executor.output(await run(executor, "it", module="command", text=text)) == {"text": text}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('echo \'{"words": "two"}\'', "is not what deeds:count returns"),
        ("echo 'two words'", "is not what deeds:count returns"),
        ("printf '\\377'", "is not UTF-8"),
    ],
)
async def test_an_output_of_another_type_is_refused(command, script, message):
    executor = await command(script)
    report = await run(executor, text="x")
    assert (report.outcome, report.retryable, report.error["code"]) == ("fail", False, "OUTPUT_INVALID")
    assert message in report.error["message"]
    assert "command 'it'" in report.error["message"]


async def test_an_input_of_another_type_is_refused_before_it_starts(command, tmp_path):
    executor = await command(f"touch {tmp_path}/ran")
    report = await run(executor, text=5)
    assert report.error["code"] == "INPUT_INVALID"
    assert not (tmp_path / "ran").exists()


async def test_an_exit_code_is_a_failure_with_the_last_words(command):
    executor = await command("echo 'no such image' >&2; exit 3")
    report = await run(executor, text="x")
    assert (report.outcome, report.retryable, report.retry_after_seconds) == ("fail", True, None)
    assert report.error == {
        "code": "COMMAND_FAILED",
        "message": "command 'it' exited with code 3: the last it wrote to stderr was:\nno such image",
    }


@pytest.mark.parametrize(
    ("verdict", "retryable", "after"),
    [
        ({"message": "gone", "retryable": False}, False, None),
        ({"message": "busy", "retry_after_seconds": 30}, True, 30.0),
        ({"message": "odd", "retry_after_seconds": -1, "retryable": "no"}, True, None),
    ],
)
async def test_a_failing_command_may_say_how_to_go_on(command, verdict, retryable, after):
    executor = await command(f"echo '{json.dumps(verdict)}'; exit 1")
    report = await run(executor, text="x")
    assert (report.outcome, report.retryable, report.retry_after_seconds) == ("fail", retryable, after)
    assert report.error["message"] == f"command 'it' exited with code 1: {verdict['message']}"


async def test_a_signal_is_named(command):
    executor = await command("kill -SEGV $$")
    assert "was killed by SIGSEGV" in (await run(executor, text="x")).error["message"]


async def test_its_timeout_ends_all_that_it_started(command, tmp_path):
    executor = await command(
        f"sleep 600 & echo $! $$ > {tmp_path}/pids.new; mv {tmp_path}/pids.new {tmp_path}/pids; wait",
        timeout=1,
    )
    attempt = await executor.launch("count", text="x", options={"command": "it"})
    pids = await until(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().split())
    report = await executor.ended(attempt)
    assert report.error == {"code": "TIMEOUT", "message": "the handler was stopped after its timeout of 1 s"}
    await until(lambda: not any(alive(int(pid)) for pid in pids), "the end of the command's processes")


async def test_a_killed_worker_is_a_crash_and_ends_the_command(command, tmp_path):
    executor = await command(f"cd {tmp_path}; echo $PPID $$ > new; mv new pids; exec sleep 600")
    attempt = await executor.launch("it", module="command", options={"command": "it"})
    pids = await until(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().split())
    os.kill(int(pids[0]), signal.SIGKILL)
    assert (await executor.ended(attempt)).error["code"] == "CRASHED"
    await until(lambda: not alive(int(pids[1])), "the end of the command")


async def test_it_sees_what_the_operator_lets_it_see(command, monkeypatch):
    monkeypatch.setenv("PGFLOW_DSN", "postgresql://secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("MYAPP_MODE", "passed")
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    executor = await command(
        [sys.executable, "-c", code], environment={"GIVEN": "1"}, pass_environment=["MYAPP_*"]
    )
    seen = executor.output(await run(executor, "it", module="command"))
    assert (seen["GIVEN"], seen["MYAPP_MODE"]) == ("1", "passed")
    assert "secret" not in str(seen)
    assert seen["PGFLOW_STEP_SLUG"] == "deed"
    assert seen["PGFLOW_IDEMPOTENCY_KEY"] == f"{seen['PGFLOW_RUN_ID']}/deed/0"


async def test_it_runs_in_its_folder(command, tmp_path):
    executor = await command(["./here.sh"], cwd=str(tmp_path))
    (tmp_path / "here.sh").write_text(SHELL + 'echo "\\"$PWD\\""')
    (tmp_path / "here.sh").chmod(0o755)
    assert Path(executor.output(await run(executor, "it", module="command"))) == tmp_path


async def test_one_that_is_not_configured_is_handed_back_and_the_others_run(command):
    executor = await command("echo '{}'")
    report = await run(executor, text="x", options={"command": "other"})
    assert (report.outcome, report.retry_after_seconds) == ("release", 30.0)
    assert report.error["code"] == "COMMAND_MISSING"
    assert "there is no command 'other' (there are: it)" in report.error["message"]
    assert executor.output(await run(executor, text="x")) == {}


async def test_one_that_cannot_be_started_is_handed_back(command):
    executor = await command(["/nowhere/at/all"])
    report = await run(executor, text="x")
    assert (report.outcome, report.error["code"]) == ("release", "HANDLER_MISSING")
    assert "command 'it' cannot be started" in report.error["message"]


async def test_several_run_in_one_process_without_mixing(local):
    executor = await local(concurrency_per_process=4, commands={"it": {"argv": ["cat"]}})
    attempts = [
        await executor.launch("it", module="command", number=number, options={"command": "it"})
        for number in range(8)
    ]
    got = [executor.output(await executor.ended(attempt)) for attempt in attempts]
    assert got == [{"number": number} for number in range(8)]


@pytest.mark.parametrize(
    "table", [{"argv": []}, {"argv": ["x"], "shell": True}, {"argv": ["x"], "timeout": 0}, {}]
)
def test_a_bad_command_is_refused_with_the_configuration(table):
    with pytest.raises(ValidationError):
        LocalSettings.model_validate({"commands": {"it": table}})


def test_what_a_flow_says_of_it():
    assert Local(command="it", memory_mb=64).executor_options() == {"command": "it", "memory_mb": 64}
    assert Local().executor_options() == {}
