"""A file for what each attempt wrote, with a cap and an end."""

from datetime import UTC, datetime, timedelta


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


async def test_an_attempt_s_output_is_in_a_file_of_its_day(local, tmp_path):
    executor = await local(log_files={"folder": tmp_path / "logs"})
    attempt = await executor.launch("say", text="hello")
    report = await executor.ended(attempt)
    (file,) = files(tmp_path / "logs")
    today = datetime.now(UTC).date()
    assert file.parent.name in {today.isoformat(), (today - timedelta(days=1)).isoformat()}
    assert file.name == f"{attempt.run_id}.deed.0.2.log"
    assert file.read_text() == report.log_tail
    assert "hello" in report.log_tail


async def test_an_attempt_that_wrote_nothing_has_no_file(local, tmp_path):
    executor = await local(log_files={"folder": tmp_path})
    await executor.run("noop")
    assert files(tmp_path) == []


async def test_the_file_holds_more_than_the_row_and_no_more_than_its_cap(local, tmp_path):
    executor = await local(log_bytes=100, log_files={"folder": tmp_path, "max_bytes": 5000})
    report = await executor.run("say", text="x" * 99, times=200)
    (file,) = files(tmp_path)
    assert 4900 <= file.stat().st_size <= 5000
    assert report.log_tail.startswith("[... ")
    assert str(file) in report.log_tail
    assert len(report.log_tail) < 400


async def test_a_crash_and_a_failure_are_kept_too(local, tmp_path):
    executor = await local(log_files={"folder": tmp_path})
    await executor.run("say_and_fail")
    await executor.run("hard_exit", code=3)
    assert files(tmp_path)


async def test_old_days_are_deleted_and_nothing_else(local, tmp_path):
    today = datetime.now(UTC).date()
    for name in ("2001-01-01", (today - timedelta(days=1)).isoformat(), "notes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.log").touch()
    executor = await local(log_files={"folder": tmp_path, "keep_days": 3})
    await executor.run("say", text="hello")
    assert {path.name for path in tmp_path.iterdir()} >= {"notes", (today - timedelta(days=1)).isoformat()}
    assert not (tmp_path / "2001-01-01").exists()


async def test_a_full_disk_costs_the_file_and_not_the_task(local, tmp_path):
    folder = tmp_path / "logs"
    executor = await local(log_files={"folder": folder})
    folder.rmdir()
    folder.write_text("in the way")
    report = await executor.run("say", text="hello")
    assert report.outcome == "complete"
    assert "hello" in report.log_tail
