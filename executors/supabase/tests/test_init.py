"""`pgflow supabase init`: what it writes, what it leaves alone, and what it says."""

from __future__ import annotations

import json
import runpy
import tomllib
from datetime import UTC, datetime

import pgflow_supabase.commands.supabase as commands
import pytest
from click.testing import CliRunner
from pgflow import run_inline
from pgflow.typegen import typescript_module
from pgflow_supabase.project.migrations import Part, Writing, write_migrations
from pgflow_supabase.project.settings_file import UnfitSettings, merged_settings

from .test_typescript import deno

NOON = datetime(2026, 5, 1, 12, 0, 59, tzinfo=UTC)
PARTS = [Part("pgflow_0001_initial", "select 1;\n"), Part("pgflow_supabase_0001_x", "select 2;\n")]
CONFIG = """\
# The project's own settings.
project_id = "shop"

[api]
enabled = true
# Schemas to expose.
schemas = ["public", "graphql_public"] # two of them
max_rows = 1000

[functions.images]
verify_jwt = true # signed-in users only

[edge_runtime]
policy = "per_worker"
"""


def init(folder, *options, code=0):
    done = CliRunner().invoke(commands.command, ["init", str(folder), *options])
    assert done.exit_code == code, done.output
    return done.output


def content(folder):
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_project_gets_all_it_needs_and_a_second_call_changes_nothing(tmp_path):
    (tmp_path / "supabase").mkdir()
    (tmp_path / "supabase/config.toml").write_text(CONFIG)
    said = init(tmp_path, "--flow", "order")
    for word in ("supabase db push", "pgflow.open_flow('order')", "PGFLOW_SIGNING_SECRET", "exposed schemas"):
        assert word in said
    before = content(tmp_path)
    assert "nothing to write" in init(tmp_path, "--flow", "order")
    assert json.loads(init(tmp_path, "--flow", "order", "--json"))["written"] == []
    assert content(tmp_path) == before
    settings = tomllib.loads((tmp_path / "supabase/config.toml").read_text())
    assert settings["api"]["schemas"] == ["public", "graphql_public", "pgflow"]
    assert settings["functions"] == {"images": {"verify_jwt": True}, "order": {"verify_jwt": False}}


@pytest.mark.slow
def test_what_is_written_runs(tmp_path):
    init(tmp_path, "--flow", "order")
    made = runpy.run_path(str(tmp_path / "flows/order.py"))
    assert run_inline(made["order"], "Ada") == "HELLO, ADA!"
    functions = tmp_path / "supabase/functions"
    deno("check", "order/index.ts", cwd=functions)
    index = functions / "order/index.ts"
    index.write_text(index.read_text().replace("greeting.toUpperCase()", "greeting.length"))
    with pytest.raises(AssertionError, match="not assignable to type 'string"):
        deno("check", "order/index.ts", cwd=functions)
    settings = tomllib.loads((tmp_path / "pgflow.toml").read_text())
    assert settings["flows"] == ["flows.order:order"]


def test_the_types_that_are_written_are_those_of_the_flow(tmp_path):
    init(tmp_path, "--flow", "order")
    made = runpy.run_path(str(tmp_path / "flows/order.py"))
    types = (tmp_path / "supabase/functions/_shared/flows.ts").read_text()
    assert types == typescript_module([made["order"]], "pgflow typegen --lang typescript")
    assert "serve<Flows>" in (tmp_path / "supabase/functions/order/index.ts").read_text()


def test_a_function_of_a_flow_whose_types_are_not_known_says_its_own(tmp_path):
    init(tmp_path, "--flow", "order")
    types = (tmp_path / "supabase/functions/_shared/flows.ts").read_bytes()
    written = json.loads(init(tmp_path, "--flow", "other", "--json"))["written"]
    assert written == [str(tmp_path / "supabase/functions/other/index.ts")]
    assert "({ name }: { name: string })" in (tmp_path / "supabase/functions/other/index.ts").read_text()
    assert (tmp_path / "supabase/functions/_shared/flows.ts").read_bytes() == types


def test_without_a_config_file_what_it_needs_is_shown(tmp_path):
    said = init(tmp_path)
    assert "[functions.hello]\nverify_jwt = false" in said
    assert '"pgflow"]' in said
    assert not (tmp_path / "supabase/config.toml").exists()
    assert tomllib.loads(json.loads(init(tmp_path, "--json"))["config"])["functions"]["hello"]


def test_files_of_the_project_are_kept(tmp_path):
    (tmp_path / "pgflow.toml").write_text("")
    function = tmp_path / "supabase/functions/hello/index.ts"
    function.parent.mkdir(parents=True)
    function.write_text("// mine")
    init(tmp_path)
    assert function.read_text() == "// mine"
    assert (tmp_path / "pgflow.toml").read_text() == ""
    assert not (tmp_path / "flows").exists()
    assert json.loads(init(tmp_path, "--json"))["kept"] == [str(function)]


def test_an_older_package_is_renewed(tmp_path):
    init(tmp_path)
    package = tmp_path / "supabase/functions/_shared/pgflow"
    (package / "mod.ts").write_text("// older")
    assert json.loads(init(tmp_path, "--json"))["written"] == [str(package)]
    assert "older" not in (package / "mod.ts").read_text()


@pytest.mark.parametrize("flow", ["Or der", "../x", "", "1st", "a-b"])
def test_a_flow_that_no_function_can_be_named_after_is_refused(tmp_path, flow):
    done = CliRunner().invoke(commands.command, ["init", str(tmp_path), "--flow", flow])
    assert done.exit_code != 0
    assert list(tmp_path.iterdir()) == []


def test_migrations_have_the_names_of_the_supabase_cli(tmp_path):
    writing = Writing()
    write_migrations(tmp_path, PARTS, NOON, writing)
    assert names(tmp_path) == [
        "20260501120059_pgflow_0001_initial.sql",
        "20260501120100_pgflow_supabase_0001_x.sql",
    ]
    assert [path.name for path in writing.written] == names(tmp_path)


def test_an_upgrade_writes_what_is_new_after_all_that_is_there(tmp_path):
    write_migrations(tmp_path, PARTS[:1], NOON, Writing())
    (tmp_path / "20270101000000_of_the_project.sql").write_text("select 3;")
    (tmp_path / "99999999999999_no_time.sql").write_text("select 4;")
    (tmp_path / "seed.sql").write_text("")
    writing = Writing()
    new = Part("pgflow_0002_more", "select 5;\n")
    write_migrations(tmp_path, [*PARTS, new], NOON, writing)
    assert [path.name for path in writing.written] == [
        "20270101000001_pgflow_supabase_0001_x.sql",
        "20270101000002_pgflow_0002_more.sql",
    ]
    assert [path.name for path in writing.unchanged] == ["20260501120059_pgflow_0001_initial.sql"]


def test_a_migration_that_was_changed_is_kept_and_said(tmp_path):
    init(tmp_path)
    (path,) = (tmp_path / "supabase/migrations").glob("*_pgflow_0001_initial.sql")
    path.write_text("-- of another release")
    assert json.loads(init(tmp_path, "--json"))["kept"] == [str(path)]
    assert path.read_text() == "-- of another release"


def test_settings_are_added_and_all_else_stands_as_it_was():
    merged = merged_settings(CONFIG, "order")
    assert [line for line in CONFIG.splitlines() if line not in merged.splitlines()] == [
        'schemas = ["public", "graphql_public"] # two of them'
    ]
    assert 'schemas = ["public", "graphql_public", "pgflow"] # two of them' in merged
    assert merged_settings(merged, "order") == merged


def test_our_function_answers_requests_without_a_jwt():
    settings = tomllib.loads(merged_settings("[functions.order]\nverify_jwt = true\n", "order"))
    assert settings["functions"]["order"] == {"verify_jwt": False}


@pytest.mark.parametrize("text", ["[api\n", "api = 1\n", '[api]\nschemas = "public"\n', "functions = []\n"])
def test_a_config_file_that_nothing_can_be_added_to_is_left_alone(tmp_path, text):
    with pytest.raises(UnfitSettings):
        merged_settings(text, "order")
    (tmp_path / "supabase").mkdir()
    (tmp_path / "supabase/config.toml").write_text(text)
    assert "config.toml" in init(tmp_path, code=2)
    assert (tmp_path / "supabase/config.toml").read_text() == text
