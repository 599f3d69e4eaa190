"""Processes that start slowly, wrongly or not at all; and what they are started with."""

import sys

import pytest
from pgflow_local.settings import LocalSettings
from pydantic import ValidationError

from .support import HANDLERS, until


async def test_user_code_sees_harmless_variables_only(local, monkeypatch):
    for name in (
        "PGFLOW_DSN",
        "DATABASE_URL",
        "AWS_SECRET_ACCESS_KEY",
        "KUBECONFIG",
        "PGPASSWORD",
        "SHOP_KEY",
    ):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LC_MESSAGES", "C")
    monkeypatch.setenv("TZ", "Europe/Prague")
    executor = await local()
    seen = await executor.value("environment")
    assert "secret" not in seen.values()
    assert (seen["LC_MESSAGES"], seen["TZ"]) == ("C", "Europe/Prague")
    assert "PATH" in seen


async def test_variables_are_passed_if_asked_for(local, monkeypatch):
    for name in ("SHOP_KEY", "SHOP_URL", "PGPASSWORD", "PGFLOW_DSN"):
        monkeypatch.setenv(name, name.lower())
    executor = await local(pass_environment=["SHOP_*", "PGPASSWORD"])
    seen = await executor.value("environment")
    assert (seen["SHOP_KEY"], seen["SHOP_URL"], seen["PGPASSWORD"]) == ("shop_key", "shop_url", "pgpassword")
    assert "PGFLOW_DSN" not in seen


async def test_handlers_are_found_in_the_projects_folders_only(local, tmp_path, monkeypatch):
    (tmp_path / "stray.py").write_text("def run() -> None: ...\n")
    monkeypatch.chdir(tmp_path)
    executor = await local(pythonpath=(HANDLERS,))
    assert (await executor.value("import_path"))[0] == str(HANDLERS)
    assert "No module named 'stray'" in (await executor.run("run", module="stray")).error["message"]


async def test_without_folders_the_working_directory_is_the_project(local, tmp_path, monkeypatch):
    (tmp_path / "shop.py").write_text("def run() -> str: return 'open'\n")
    monkeypatch.chdir(tmp_path)
    executor = await local(pythonpath=())
    assert await executor.value("run", module="shop") == "open"


async def test_modules_are_imported_before_the_first_task(local, tmp_path):
    (tmp_path / "heavy.py").write_text("loaded = True\n")
    (tmp_path / "light.py").write_text("import sys\ndef run() -> bool: return 'heavy' in sys.modules\n")
    executor = await local(preload=["heavy"], pythonpath=(tmp_path,))
    assert await executor.value("run", module="light") is True


async def test_tasks_wait_for_a_slow_start(local, tmp_path):
    gate = tmp_path / "gate"
    (tmp_path / "slow.py").write_text(
        f"import time, pathlib\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.005)\n"
    )
    executor = await local(preload=["slow"], pythonpath=(tmp_path, HANDLERS))
    attempt = await executor.launch("echo", value=1)
    assert executor.executor.capacity == 1
    gate.touch()
    assert executor.output(await executor.ended(attempt)) == 1


async def failing(local, caplog, said, **settings):
    """Start an executor whose processes do not start; check what it says and does."""
    executor = await local(**settings)
    attempt = await executor.launch("noop")
    report = await executor.ended(attempt)
    assert (report.outcome, report.error["code"]) == ("release", "NO_WORKER")
    assert report.retry_after_seconds > 0
    assert said in report.error["message"] or said in caplog.text
    assert executor.executor.capacity == 0
    return executor


async def test_a_bad_interpreter_is_reported(local, caplog):
    await failing(local, caplog, "No such file or directory: '/no/such/python'", python="/no/such/python")


async def test_a_preload_that_fails_is_reported_with_its_traceback(local, caplog):
    await failing(local, caplog, "No module named 'a_module_that_nobody_has'", preload=["needs_more"])


async def test_a_start_that_hangs_is_ended(local, caplog):
    await failing(local, caplog, "was not ready after 0.3 s", preload=["hangs"], start_timeout=0.3)


async def test_failing_starts_are_spaced_out_and_the_pool_recovers(local, tmp_path, caplog):
    """One try at a time, each later than the one before, until one succeeds."""
    marker = tmp_path / "mended"
    (tmp_path / "fussy.py").write_text(
        "import pathlib, sys\n"
        f"log = pathlib.Path({str(tmp_path / 'tries')!r}).open('a').write('x')\n"
        f"if not pathlib.Path({str(marker)!r}).exists(): sys.exit('not yet')\n"
    )
    settings = {"preload": ["fussy"], "pythonpath": (tmp_path, HANDLERS)}
    executor = await failing(local, caplog, "not yet", processes=2, **settings)
    await until(lambda: caplog.text.count("next try in") >= 3)
    assert [line.split()[-2] for line in caplog.messages if "next try" in line][:3]
    assert len((tmp_path / "tries").read_text()) <= 4
    marker.touch()
    await until(lambda: executor.executor.capacity == 2)
    assert await executor.value("echo", value=1) == 1


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"process": 2}, "process"),
        ({"processes": 0}, "processes"),
        ({"grace": -1}, "grace"),
        ({"handlers": ["os.system; rm"]}, "handlers"),
        ({"preload": ["a b"]}, "preload"),
        ({"log_bytes": 10**9}, "log_bytes"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(settings, key):
    with pytest.raises(ValidationError) as raised:
        LocalSettings.model_validate(settings)
    assert [error["loc"][0] for error in raised.value.errors()] == [key]


async def test_another_interpreter_can_be_named(local, tmp_path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nWRAPPED=yes exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    executor = await local(python=str(python))
    assert (await executor.value("environment"))["WRAPPED"] == "yes"
