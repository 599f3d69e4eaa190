"""Runs every snippet of the README and of docs/, and checks that the documentation is whole."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from .snippets import Command, agrees, commands, run_snippets

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = [*DOCUMENTS, *ROOT.glob("[AGC]*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("*/*/README.md")]
LINK = re.compile(r"\]\(([^)\s]+)\)")


LONG = {
    ROOT / "docs" / page
    for page in (
        "how-to/cancel-and-retry.md",
        "how-to/commands.md",
        "how-to/deploy.md",
        "how-to/doctor.md",
        "how-to/local-executor.md",
        "how-to/migrate.md",
        "how-to/pull-workers.md",
        "how-to/roles.md",
        "how-to/testing.md",
        "how-to/transactions.md",
        "how-to/typescript.md",
        "reference/cli.md",
        "reference/client.md",
        "reference/config.md",
        "tutorial/first-flow.md",
        "tutorial/write-an-executor.md",
    )
}
"""Pages whose commands take long."""
PAGES = [pytest.param(page, marks=pytest.mark.slow if page in LONG else ()) for page in DOCUMENTS]


@pytest.mark.parametrize("document", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
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
        for target in LINK.findall(document.read_text(encoding="utf-8"))
    }
    assert [str(path) for path in DOCUMENTS[1:] if not {path, path.parent} & linked] == []


def anchors(document):
    """The names that headings of a document can be linked by."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document):
    dead = []
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = (document.parent / file).resolve() if file else document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            dead.append(target)
    assert dead == []


@pytest.fixture(scope="module")
def reference():
    """The script that writes the generated pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts")
        yield importlib.import_module("reference")


def test_the_reference_of_the_sql_is_what_the_source_says(reference, pgflow_database):
    with psycopg.connect(pgflow_database) as connection:
        page = reference.sql_page(connection)
    assert (ROOT / "docs/reference/sql.md").read_text(encoding="utf-8") == page, "run `hatch run reference`"


def test_the_reference_of_the_commands_is_what_they_say():
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    # In a process of its own: commands keep the options of help that they had first, here in some other test.
    renew = "import reference, sys; sys.stdout.write(reference.cli_page(sys.stdin.read()))"
    command = [sys.executable, "-c", renew]
    done = subprocess.run(
        command, input=page, capture_output=True, text=True, cwd=ROOT / "scripts", check=True
    )
    assert done.stdout == page, "run `hatch run reference`"


def test_the_reference_of_the_configuration_is_what_the_settings_say(reference):
    page = (ROOT / "docs/reference/config.md").read_text(encoding="utf-8")
    assert reference.config_page(page) == page, "run `hatch run reference`"


def test_the_reference_of_the_kubernetes_executor_is_what_the_settings_say(reference):
    page = (ROOT / "docs/reference/kubernetes.md").read_text(encoding="utf-8")
    assert reference.kubernetes_page(page) == page, "run `hatch run reference`"


def test_the_reference_of_the_lambda_executor_is_what_the_settings_say(reference):
    page = (ROOT / "docs/reference/lambda.md").read_text(encoding="utf-8")
    assert reference.lambda_page(page) == page, "run `hatch run reference`"


def test_the_reference_of_the_supabase_executor_is_what_the_settings_say(reference):
    page = (ROOT / "docs/reference/supabase.md").read_text(encoding="utf-8")
    assert reference.supabase_page(page) == page, "run `hatch run reference`"


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
