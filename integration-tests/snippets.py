"""Reads the snippets of a document and runs them in a scratch folder.

A block in any language that begins with a comment naming a file (`# flows/name.py`, `// bin/x.js`, a second
line after `#!`) is written to that file of the folder.  Of the others: `python` is run as a script, `sql` in
the folder's embedded database, `toml` is read.  In a `console` block each `$ command` is run, and the lines
below it must be its output: run ids, times, ports and durations may differ, a line of three dots stands for
any lines, and lines that only tell of progress (▶) count neither here nor there.  A command shown with a
line that begins with `error: ` must fail, every other one must succeed.  `text` blocks, and blocks in
languages that are not ours to run, are not run.
"""

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

SECONDS = 300
FILE = re.compile(r"(?P<shebang>#!.*\n)?(?:#|//|--) (?P<name>(?:[\w.-]+/)*[\w-]+\.\w+)\n")
SQL = "import sys, psycopg; from pgflow.client.configured import configured_dsn; \
psycopg.connect(configured_dsn(), autocommit=True).execute(sys.argv[1])"
VARIABLE = [
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\b\d+(\.\d+)? s\b"), "<time>"),
    (re.compile(r"\bnow\b|<time> ago"), "<ago>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<address>"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"), "<moment>"),
]


@dataclass(frozen=True)
class Snippet:
    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Command:
    text: str
    shown: list[str]

    @property
    def must_fail(self) -> bool:
        return any(line.startswith("error: ") for line in self.shown)


def snippets(text: str) -> list[Snippet]:
    fences = [token for token in MarkdownIt().parse(text) if token.type == "fence"]
    return [
        Snippet(fence.info.strip().partition(" ")[0], fence.content, fence.map[0] + 1)
        for fence in fences
        if fence.map
    ]


def commands(text: str) -> list[Command]:
    found: list[Command] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], []))
        elif found:
            found[-1].shown.append(line)
        else:
            raise ValueError(f"a console block begins with `$ command`, not with {line!r}")
    return found


def normal(text: str, folder: Path) -> list[str]:
    text = text.replace(str(folder), "<folder>")
    for pattern, name in VARIABLE:
        text = pattern.sub(name, text)
    lines = [re.sub(r"\s+", " ", line).strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("▶")]


def agrees(shown: list[str], printed: list[str]) -> bool:
    """Compare line by line; "..." matches any number of lines."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(agrees(shown[1:], printed[start:]) for start in range(len(printed) + 1))
    return bool(printed) and same(shown[0], printed[0]) and agrees(shown[1:], printed[1:])


def same(shown: str, printed: str) -> bool:
    """Compare two lines; " ..." at the end of the shown one stands for any rest."""
    return printed.startswith(shown.removesuffix("...")) if shown.endswith(" ...") else shown == printed


def environment(folder: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PGFLOW_", "PYTEST_")) and name not in {"DATABASE_URL", "FORCE_COLOR"}
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    return {**kept, "PATH": path, "HOME": str(folder), "NO_COLOR": "1", "COLUMNS": "110"}


def execute(command: list[str] | str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def written(snippet: Snippet, folder: Path) -> bool:
    """Write a snippet that names its file; scripts with a `#!` become executable."""
    named = FILE.match(snippet.text)
    if named is None:
        return False
    path = folder / named["name"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((named["shebang"] or "") + snippet.text[named.end() :].lstrip("\n"), encoding="utf-8")
    if named["shebang"]:
        path.chmod(0o755)
    if snippet.language == "python":
        compile(path.read_text(encoding="utf-8"), str(path), "exec")
    return True


def run_python(snippet: Snippet, folder: Path) -> None:
    done = execute([sys.executable, "-c", snippet.text], folder)
    assert done.returncode == 0, f"line {snippet.line}:\n{done.stdout}"


def run_console(snippet: Snippet, folder: Path) -> None:
    for command in commands(snippet.text):
        done = execute(command.text, folder)
        where = f"line {snippet.line}: $ {command.text}\n{done.stdout}"
        assert bool(done.returncode) == command.must_fail, f"exit code {done.returncode}, {where}"
        shown = normal("\n".join(command.shown), folder)
        if shown:
            assert agrees(shown, normal(done.stdout, folder)), f"other output than shown, {where}"


def run_sql(snippet: Snippet, folder: Path) -> None:
    done = execute([sys.executable, "-c", SQL, snippet.text], folder)
    assert done.returncode == 0, f"line {snippet.line}:\n{done.stdout}"


def read_toml(snippet: Snippet, folder: Path) -> None:
    tomllib.loads(snippet.text)


RUNNERS = {"python": run_python, "console": run_console, "sql": run_sql, "toml": read_toml}


def run_snippets(text: str, folder: Path) -> None:
    """Run every snippet of a document, in order; raises AssertionError naming the line."""
    for snippet in snippets(text):
        if not written(snippet, folder) and snippet.language in RUNNERS:
            RUNNERS[snippet.language](snippet, folder)
