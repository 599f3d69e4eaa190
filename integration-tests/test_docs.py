"""Runs every snippet of the README and of docs/, in order, and compares what it prints with what is shown.

A `python` block that begins with `# path/name.py` is written to that file of a scratch folder; any other is
run as a script.  In a `console` block each `$ command` is run in the scratch folder, and the lines below it
must be its output: run ids, times, ports and durations may differ, a line of three dots stands for any lines,
and lines that only tell of progress (▶) count neither here nor there.  A command shown with a line that
begins with `error: ` must fail, every other one must succeed.  `text` blocks, and blocks in languages that
are not ours to run, are not run.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SECONDS = 120
FILE = re.compile(r"# ((?:[\w-]+/)*[\w-]+\.py)\n")
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


def run_python(snippet: Snippet, folder: Path) -> None:
    named = FILE.match(snippet.text)
    if named:
        path = folder / named[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(snippet.text[named.end() :].lstrip("\n"), encoding="utf-8")
        compile(path.read_text(encoding="utf-8"), str(path), "exec")
        return
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


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_snippets_of(document, tmp_path):
    for snippet in snippets(document.read_text(encoding="utf-8")):
        if snippet.language == "python":
            run_python(snippet, tmp_path)
        elif snippet.language == "console":
            run_console(snippet, tmp_path)


def test_the_readme_shows_the_file_that_init_writes():
    from pgflow.cli import templates

    written = Path(templates.__file__).with_name("hello.py").read_text(encoding="utf-8")
    assert written.partition('"""\n\n')[2] in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_document_or_its_folder_is_linked_from_another_document():
    linked = {
        (document.parent / target.partition("#")[0]).resolve()
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))
    }
    assert [str(path) for path in DOCUMENTS[1:] if not {path, path.parent} & linked] == []


def test_every_command_is_in_the_reference_with_its_help():
    from pgflow.cli.app import SECTIONS

    text = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    names = [name for section in SECTIONS.values() for name in section]
    assert [name for name in names if f"$ pgflow {name} --help\n" not in text] == []


def test_every_key_of_the_configuration_is_explained():
    from pgflow.config import DispatcherConfig, EmbeddedConfig, Settings

    text = (ROOT / "docs/reference/config.md").read_text(encoding="utf-8")
    tables = {"dispatcher": DispatcherConfig, "embedded": EmbeddedConfig}
    keys = [f"[{table}] {key}" for table, model in tables.items() for key in model.model_fields]
    keys += [key for key in Settings.model_fields if key not in {*tables, "executors"}]
    assert [key for key in keys if f"| `{key}` |" not in text] == []


@pytest.mark.parametrize(
    ("shown", "printed", "agree"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a"], ["a", "b"], False),
        (["a", "..."], ["a"], True),
        (["...", "c"], ["a", "b", "c"], True),
        (["a", "...", "d"], ["a", "b", "c"], False),
        (["a b ..."], ["a b c d"], True),
        (["a b ..."], ["a c"], False),
    ],
)
def test_what_counts_as_the_same_output(shown, printed, agree):
    assert agrees(shown, printed) is agree


def test_a_console_block_is_read_as_commands_and_their_output():
    assert commands("$ a\nx\n$ b\n") == [Command("a", ["x"]), Command("b", [])]
    assert commands("$ a\nerror: no\n")[0].must_fail
    with pytest.raises(ValueError, match="begins with"):
        commands("a\n")
