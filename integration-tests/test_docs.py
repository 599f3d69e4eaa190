"""Runs every snippet of the README and of docs/, and checks that the documentation is whole."""

import re
from pathlib import Path

import pytest

from .snippets import Command, agrees, commands, run_snippets

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_snippets_of(document, tmp_path):
    run_snippets(document.read_text(encoding="utf-8"), tmp_path)


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
