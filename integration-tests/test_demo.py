"""The demo, run as a person runs it; every number of its report is computed again here, from the files."""

import io
import json
import os
import re
import subprocess
import sys
import tokenize
from html.parser import HTMLParser
from pathlib import Path

import psycopg
import pytest
from pgflow.embedded import EmbeddedServer
from psycopg.rows import dict_row

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 600
SUFFIXES = {
    *(".c", ".cfg", ".css", ".go", ".h", ".html", ".ini", ".java", ".js", ".json", ".md"),
    *(".py", ".rs", ".rst", ".sh", ".sql", ".toml", ".ts", ".txt", ".yaml", ".yml"),
}
LEFT_OUT = {"__pycache__", "build", "dist", "node_modules", "site-packages", "target"}

#: Runs a command, becomes the parent of all that it orphans, and waits for their ends.
WATCHER = """
import ctypes, os, pathlib, subprocess, sys, time
PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
deadline = time.monotonic() + 60
left = "none is left"
try:
    while os.waitpid(-1, os.WNOHANG) != (0, 0) or time.monotonic() < deadline:
        time.sleep(0.02)
    left = pathlib.Path("/proc/thread-self/children").read_text()
except ChildProcessError:
    pass
print(code, left)
"""


class Page(HTMLParser):
    """Collects the headline numbers, the sections and the drawn titles of a report."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.numbers: dict[str, int] = {}
        self.sections: list[str] = []
        self.titles: list[str] = []
        self.fetched: list[str] = []
        self.text: dict[str, str] = {}
        self._open: list[tuple[str, str]] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.fetched += [found[key] for key in ("src", "href", "xlink:href") if found.get(key)]
        if tag == "section":
            self.sections.append(found["id"])
        if tag not in {"meta", "br", "rect", "link"}:
            self._open.append((tag, found.get("id", "")))

    def handle_endtag(self, tag):
        if tag != "rect":
            assert self._open.pop()[0] == tag

    def handle_data(self, data):
        tag, name = self._open[-1] if self._open else ("", "")
        if tag == "dd":
            self.numbers[name] = int(data.replace(",", ""))
        if tag == "title" and len(self._open) > 3:
            self.titles.append(data)
        for opened, section in self._open:
            if opened == "section":
                self.text[section] = self.text.get(section, "") + " " + data


def texts(folder: Path) -> dict[str, str]:
    found = {}
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.suffix not in SUFFIXES or not path.is_file() or path.stat().st_size > 524288:
            continue
        if any(part.startswith(".") for part in parts) or LEFT_OUT & set(parts[:-1]):
            continue
        found["/".join(parts)] = path.read_bytes().decode("utf-8", errors="replace")
    return found


def functions(source: str) -> int:
    try:
        compile(source, "x", "exec", flags=0x400)
    except SyntaxError:
        return 0
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return sum(token.type == tokenize.NAME and token.string == "def" for token in tokens)


def expected_numbers(found: dict[str, str]) -> dict[str, int]:
    return {
        "files": len(found),
        "lines": sum(len(text.splitlines()) for text in found.values()),
        "words": sum(len(re.findall(r"\w+", text)) for text in found.values()),
        "functions": sum(functions(text) for name, text in found.items() if name.endswith(".py")),
    }


class Demo:
    """One finished demo: its output, its report and its database."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.output = scratch / "report"
        self._server = EmbeddedServer.ensure(scratch / "postgres")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PGFLOW_")}
        self.done = subprocess.run(
            [sys.executable, "-m", "examples.atlas", str(folder), "--output", str(self.output)],
            cwd=ROOT,
            env={**environment, "PGFLOW_EMBEDDED__DATA_DIR": str(scratch / "postgres")},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert self.done.returncode == 0, self.done.stderr
        self.page = Page(self.output / "report.html")

    def rows(self, query: str) -> list[dict[str, object]]:
        with psycopg.connect(self._server.dsn(), row_factory=dict_row) as connection:
            return connection.execute(query).fetchall()

    def close(self) -> None:
        assert self.rows("select * from pgflow.check_invariants()") == []
        self._server.stop()


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    demo = Demo(ROOT, tmp_path_factory.mktemp("repository"))
    yield demo
    demo.close()


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """The demo over 120 small files with three broken links and one block that stands twice."""
    folder = tmp_path_factory.mktemp("sources")
    block = "".join(f"value_{number} = {number}\n" for number in range(7))
    for number in range(118):
        (folder / f"module_{number:03}.py").write_text(
            f"def only_{number}():\n    return {number}\n\n{block[: number % 2 * 200]}"
        )
    (folder / "guide.md").write_text(
        "# Guide\n\n[good](module_001.py) [gone](missing.py) [itself](#guide) [no one](other.md#nowhere)\n"
        "[site](https://example.org) and `[not a link](x.py)`\n\n```\n[nor this](y.py)\n```\n"
    )
    (folder / "other.md").write_text("# Other\n\n[up](guide.md#guide) ![picture](gone.png)\n")
    demo = Demo(folder, tmp_path_factory.mktemp("broken"))
    yield demo, folder
    demo.close()


def test_the_report_on_this_repository_counts_what_is_there(repository):
    found = texts(ROOT)
    assert len(found) >= 100
    numbers = repository.page.numbers
    assert {name: numbers[name] for name in ("files", "lines", "words", "functions")} == expected_numbers(
        found
    )


def test_every_file_is_drawn_once_with_its_lines(repository):
    drawn = {}
    for title in repository.page.titles:
        match = re.fullmatch(r"(\S+): ([\d,]+) lines", title)
        if match:
            drawn[match[1]] = int(match[2].replace(",", ""))
    assert drawn == {name: len(text.splitlines()) for name, text in texts(ROOT).items() if text}


def test_the_page_needs_nothing_from_elsewhere(repository):
    assert repository.page.fetched == []
    source = (repository.output / "report.html").read_text()
    assert "<script" not in source
    assert "prefers-color-scheme: dark" in source


def test_the_terminal_shows_the_headline_numbers_and_the_path(repository):
    numbers = repository.page.numbers
    assert (
        f"{numbers['files']:,} files, {numbers['lines']:,} lines, {numbers['words']:,} words"
        in repository.done.stdout
    )
    assert f"report: {repository.output / 'report.html'}" in repository.done.stdout


def test_every_file_was_a_task_of_its_own(repository):
    counted = repository.rows(
        "select count(*) as tasks, count(distinct worker_id) > 0 as worked from pgflow.step_tasks "
        "where step_slug = 'inspect_file' and status = 'completed'"
    )
    assert counted == [{"tasks": repository.page.numbers["files"], "worked": True}]


@pytest.mark.parametrize("which", ["repository", "broken"])
def test_saving_the_index_failed_once_and_was_tried_again(which, request):
    demo = request.getfixturevalue(which)
    demo = demo[0] if isinstance(demo, tuple) else demo
    attempts = demo.rows(
        "select step_slug, attempt, outcome, error ->> 'type' as type from pgflow.step_task_attempts"
    )
    assert attempts == [
        {"step_slug": "save_index", "attempt": 1, "outcome": "failed", "type": attempts[0]["type"]},
    ]
    assert "StorageBusyError" in attempts[0]["type"]
    finished = demo.rows("select attempt, status from pgflow.step_tasks where step_slug = 'save_index'")
    assert finished == [{"attempt": 2, "status": "completed"}]
    saved = json.loads((demo.output / "keywords.json").read_text())
    assert len(saved) > 10


def test_without_broken_links_there_is_no_problems_section(repository):
    states = repository.rows(
        "select status, skip_reason from pgflow.step_states where step_slug = 'describe_problems'"
    )
    if repository.page.numbers["broken_links"]:
        pytest.fail(f"links of this repository are broken: {repository.page.text['problems']}")
    assert states == [{"status": "skipped", "skip_reason": "condition_unmet"}]
    assert "problems" not in repository.page.sections


def test_broken_links_make_a_problems_section(broken):
    demo, _ = broken
    states = demo.rows("select status from pgflow.step_states where step_slug = 'describe_problems'")
    assert states == [{"status": "completed"}]
    assert demo.page.sections[0] == "problems"
    assert demo.page.numbers["broken_links"] == 3
    assert demo.page.numbers["links"] == 7
    shown = " ".join(demo.page.text["problems"].split())
    for line in ("guide.md:3 missing.py no such file", "guide.md:3 other.md#nowhere no such heading"):
        assert line in shown
    assert "other.md:3 gone.png no such file" in shown


def test_a_folder_of_its_own_is_counted_too(broken):
    demo, folder = broken
    numbers = demo.page.numbers
    assert {name: numbers[name] for name in ("files", "lines", "words", "functions")} == expected_numbers(
        texts(folder)
    )
    assert numbers["functions"] == 118
    assert numbers["duplicates_found"] == 1


DISCOVER = """
import sys
from examples.atlas.files import discover
from examples.atlas.model import Folder
print([file.path for file in discover(Folder(sys.argv[1]))])
"""


def test_what_is_no_file_to_read_is_left_out(tmp_path):
    (tmp_path / "ünï.md").write_text("# One\n")
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere.md")
    (tmp_path / "folder.md").mkdir()
    os.mkfifo(tmp_path / "pipe.md")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.md")).write_text("# Two\n")
    command = [sys.executable, "-c", DISCOVER, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.stdout == "['ünï.md']\n", done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_no_process_is_left_behind(tmp_path):
    (tmp_path / "one.md").write_text("# One\n")
    command = [sys.executable, "-m", "examples.atlas", str(tmp_path), "--output", str(tmp_path / "report")]
    environment = {**os.environ, "PGFLOW_EMBEDDED__DATA_DIR": str(tmp_path / "postgres")}
    done = subprocess.run(
        [sys.executable, "-c", WATCHER, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.stdout == "0 none is left\n", done.stderr
