"""`pgflow doctor`: what each check of the client finds, until it is mended; those of the database have tests
of their own beside its schema."""

import json
import re
from pathlib import Path

import psycopg
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "doctor.md"
FLOW = """
from pgflow import Node, flow, step

def double(number: int) -> int:
    return 2 * number

@flow
def doubled(number: Node[int]) -> Node[int]:
    return step(double, number)
"""


LAUNCHER = """
import asyncio
from pydantic import BaseModel, ConfigDict
from pgflow.executor import Capability, Hindrance
from pgflow.hookspecs import hookimpl

class Nothing(BaseModel):
    model_config = ConfigDict(extra="forbid")

class Options(Nothing):
    size: int = 1

class Launcher:
    name, api_version, capacity = "launcher", 1, 1
    Settings = Nothing
    StepOptions = Options
    capabilities = frozenset({Capability.CHECK, Capability.CHECK_STEPS})

    async def start(self, ctx):
        self.target = ctx.report_to

    async def aclose(self):
        pass

    async def check(self):
        if "mute" in self.target.url:
            await asyncio.Event().wait()
        return [Hindrance("queue", f"nobody there reaches {self.target.url}", "open the way")]

    async def check_steps(self, steps):
        return [
            Hindrance(each.step_slug, f"{each.options.size} in {each.timeout}", "shrink it", "warning")
            for each in steps
        ]

    async def launch(self, attempt):
        raise NotImplementedError

    observe = cancel = launch

@hookimpl
def pgflow_register_executors():
    return [Launcher]
"""


def examine(project, *options):
    """Everything but what the tests' own server, made to forget, cannot help."""
    result = project.pgflow("doctor", "--json", *options, code=1)
    return [found for found in json_of(result)["findings"] if found["check"] != "settings"]


def json_of(result):
    return json.loads(result.stdout)


def found_by(project, check, *options):
    return [found for found in examine(project, *options) if found["check"] == check]


def run_sql(dsn, statement):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


def test_a_sound_project_on_a_server_of_its_own(project):
    project.write("jobs.py", FLOW)
    assert "no embedded PostgreSQL" in project.pgflow("doctor").output
    project.pgflow("deploy", "jobs:doubled")
    shown = project.pgflow("doctor", "--deep")
    assert re.search(r"^\d+ checks: 2 notes$", shown.stdout, re.MULTILINE), shown.output
    report = json_of(project.pgflow("doctor", "--json", "--deep"))
    assert report["ok"] is True
    assert [found["severity"] for found in report["findings"]] == ["note", "note"]


def test_the_page_lists_every_check(project, database):
    report = json_of(project.pgflow("doctor", "--json", "--deep", code=1))
    assert len(report["checks"]) == len(set(report["checks"]))
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)) == set(
        report["checks"]
    )


def test_runs_that_are_kept_for_ever_are_noted_until_a_retention_is_set(project, database):
    (found,) = found_by(project, "retention")
    assert (found["severity"], found["mend"]) == ("note", "say how long to keep them: `pgflow retention 30d`")
    project.pgflow("retention", "30d")
    assert found_by(project, "retention") == []


def test_a_finding_is_told_with_its_mend(project, database):
    project.write("pgflow.toml", '[executors.gpu]\nuse = "quantum"\n')
    shown = project.pgflow("doctor", code=1).stdout
    assert re.search(r"error +executors +gpu\n +.*quantum.*\n +mend: +.*\[executors.gpu\]", shown), shown


def test_a_transaction_pooler_is_noticed_until_there_is_a_way_to_listen(
    project, monkeypatch, pgflow_database, pgflow_pooler
):
    monkeypatch.setenv("PGFLOW_DSN", pgflow_pooler.dsn(pgflow_database))
    (found,) = found_by(project, "pooler")
    assert found["severity"] == "warning"
    assert "listen_dsn" in found["mend"]
    monkeypatch.setenv("PGFLOW_DISPATCHER__LISTEN_DSN", pgflow_pooler.dsn(pgflow_database))
    (found,) = found_by(project, "pooler")
    assert (found["severity"], found["finding"][:10]) == ("warning", "listen_dsn")
    monkeypatch.setenv("PGFLOW_DISPATCHER__LISTEN_DSN", "host=127.0.0.1 port=1")
    (found,) = found_by(project, "pooler")
    assert (found["severity"], found["finding"][:10]) == ("error", "listen_dsn")
    monkeypatch.setenv("PGFLOW_DISPATCHER__LISTEN_DSN", pgflow_database)
    assert found_by(project, "pooler") == []


def test_a_broken_configuration(project):
    file = project.write("pgflow.toml", "dns = 1\n")
    report = json_of(project.pgflow("doctor", "--json", code=1))
    assert (report["ok"], report["checks"]) == (False, ["config"])
    assert "dns" in report["findings"][0]["finding"]
    file.unlink()
    assert json_of(project.pgflow("doctor", "--json"))["ok"]


def test_a_broken_executor(project, database):
    file = project.write("pgflow.toml", '[executors.gpu]\nuse = "quantum"\n')
    (found,) = found_by(project, "executors")
    assert (found["severity"], found["subject"]) == ("error", "gpu")
    file.unlink()
    assert found_by(project, "executors") == []


@pytest.fixture
def launcher(project):
    """Install the executor `launcher` for whoever has this folder on the path; returns its table."""
    about = "site/pgflow_launcher-1.0.dist-info"
    project.write("site/launcher.py", LAUNCHER)
    project.write(f"{about}/METADATA", "Name: other-launcher\nVersion: 1.0\n")
    project.write(f"{about}/entry_points.txt", "[pgflow]\nlauncher = launcher\n")
    return '[executors.cloud]\nuse = "launcher"\n'


def test_an_executor_that_launches_elsewhere_needs_a_target_and_may_be_hindered(
    project, database, monkeypatch, launcher
):
    table = launcher
    project.write("pgflow.toml", table)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(project.folder / "site"))
        (found,) = found_by(project, "executors")
        assert "public_url" in found["finding"], found
        project.write("pgflow.toml", f'[api]\npublic_url = "https://flows.example.com"\n{table}')
        (found,) = found_by(project, "executors")
    assert (found["severity"], found["subject"], found["mend"]) == ("error", "cloud: queue", "open the way")
    assert found["finding"] == "nobody there reaches https://flows.example.com/"


def test_an_executor_whose_place_does_not_answer(project, database, monkeypatch, launcher):
    project.write("pgflow.toml", f'[api]\npublic_url = "https://mute.example.com"\n{launcher}')
    monkeypatch.setattr("pgflow.cli._doctor.asking._SECONDS", 0.5)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(project.folder / "site"))
        (found,) = found_by(project, "executors")
    assert (found["severity"], found["finding"]) == ("unknown", "could not look: no answer within 0.5 s")
    assert "[executors.cloud]" in found["mend"]


def test_deployed_steps_that_do_not_fit_their_executor(project, database, monkeypatch, launcher):
    project.write("pgflow.toml", f'[api]\npublic_url = "https://flows.example.com"\n{launcher}')
    steps = [
        {"step_slug": name, "executor": executor, "handler": "a:b", "executor_options": options}
        for name, executor, options in [
            ("good", "cloud", {"size": 3}),
            ("bad", "cloud", {"colour": "red"}),
            ("away", "served_elsewhere", {}),
        ]
    ]
    steps[0]["options"] = {"timeout": 90}
    definition = json.dumps({"flow_slug": "f", "steps": steps})
    run_sql(database, f"select pgflow.define_flow('{definition}')")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(project.folder / "site"))
        found = {each["subject"]: each for each in found_by(project, "steps")}
    assert found.keys() == {"cloud: good", "f.bad"}
    assert (found["cloud: good"]["severity"], found["cloud: good"]["finding"]) == ("warning", "3 in 0:01:30")
    assert found["f.bad"]["severity"] == "error"
    assert "unknown option `colour`" in found["f.bad"]["finding"]


def test_a_broken_plugin(project, database, monkeypatch):
    about = project.folder / "site" / "pgflow_broken-1.0.dist-info"
    project.write("site/pgflow_broken-1.0.dist-info/METADATA", "Name: other-broken\nVersion: 1.0\n")
    project.write(f"{about.relative_to(project.folder)}/entry_points.txt", "[pgflow]\nbroken = not_there\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(project.folder / "site"))
        (found,) = found_by(project, "plugins")
    assert (found["severity"], found["subject"]) == ("error", "broken of other-broken")
    assert found_by(project, "plugins") == []


def test_packages_of_different_releases(project, database, monkeypatch):
    project.write("site/pgflow_late-9.9.dist-info/METADATA", "Name: pgflow-late\nVersion: 9.9\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(project.folder / "site"))
        (found,) = found_by(project, "python")
    assert "pgflow-late 9.9" in found["finding"]
    assert found_by(project, "python") == []


def test_a_database_that_is_not_there(project, monkeypatch):
    monkeypatch.setenv("PGFLOW_DSN", "postgresql://nobody@127.0.0.1:1/nowhere")
    (found,) = json_of(project.pgflow("doctor", "--json", code=1))["findings"]
    assert (found["check"], found["severity"]) == ("connection", "error")


def test_a_database_without_the_schema(project, pgflow_empty_database, monkeypatch):
    monkeypatch.setenv("PGFLOW_DSN", pgflow_empty_database)
    (found,) = json_of(project.pgflow("doctor", "--json", code=1))["findings"]
    assert (found["check"], found["mend"]) == ("schema", "run `pgflow migrate`")
    project.pgflow("migrate")
    assert found_by(project, "schema") == []


def test_a_schema_of_somebody_else(project, pgflow_empty_database, monkeypatch):
    monkeypatch.setenv("PGFLOW_DSN", pgflow_empty_database)
    run_sql(pgflow_empty_database, "create schema pgflow")
    (found,) = json_of(project.pgflow("doctor", "--json", code=1))["findings"]
    assert (found["check"], found["subject"]) == ("schema", "ForeignSchema")


def test_a_schema_of_a_newer_release(project, database):
    run_sql(database, "insert into pgflow.migrations (version, name, checksum) values (99, 'later', 'x')")
    (found,) = json_of(project.pgflow("doctor", "--json", code=1))["findings"]
    assert (found["check"], found["subject"]) == ("schema", "SchemaTooNew")
    run_sql(database, "delete from pgflow.migrations where version = 99")
    assert found_by(project, "schema") == []


def test_a_missing_index(project, database):
    run_sql(database, "drop index pgflow.deps_by_step")
    (found,) = found_by(project, "indexes")
    assert (found["severity"], found["subject"]) == ("error", "deps_by_step")
    script = project.pgflow("migrate", "--sql").stdout
    (statement,) = re.findall(r"^create unique index deps_by_step .*;$", script, re.MULTILINE)
    run_sql(database, statement)
    assert found_by(project, "indexes") == []


def test_clocks_that_differ(project, database):
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    run_sql(database, f"alter database {name} set pgflow.fake_now = '2020-01-01'")
    (found,) = found_by(project, "clock")
    assert "ahead of" in found["finding"]
    run_sql(database, f"alter database {name} reset pgflow.fake_now")
    assert found_by(project, "clock") == []


def test_a_handler_that_cannot_be_imported_here(project, database):
    module = project.write("jobs.py", FLOW)
    project.pgflow("deploy", "jobs:doubled")
    assert found_by(project, "handlers") == []
    module.unlink()
    (found,) = found_by(project, "handlers")
    assert (found["severity"], found["subject"]) == ("warning", "jobs:double")
    project.write("jobs.py", FLOW)
    assert found_by(project, "handlers") == []


def test_modules_that_print_or_end_the_process_are_no_harm(project, database):
    project.write("jobs.py", FLOW + "\nprint('hello')\n")
    project.pgflow("deploy", "jobs:doubled")
    assert found_by(project, "handlers") == []
    project.write("jobs.py", "import os\nos._exit(3)\n")
    (found,) = found_by(project, "handlers")
    assert found["severity"] == "unknown"


def test_a_broken_invariant_is_found_when_looking_deep(project, database):
    project.write("jobs.py", FLOW)
    project.pgflow("deploy", "jobs:doubled")
    project.pgflow("run", "doubled", "--input", "1")
    broken = "update pgflow.runs set remaining_steps = remaining_steps {} 1"
    run_sql(database, broken.format("+"))
    assert found_by(project, "invariants") == []
    (found,) = found_by(project, "invariants", "--deep")
    assert "remaining_steps" in found["finding"]
    run_sql(database, broken.format("-"))
    assert found_by(project, "invariants", "--deep") == []


def test_what_the_database_finds_is_told_too(project, database):
    run_sql(database, "select pgflow.pause_executor('local', 'moving house')")
    (found,) = found_by(project, "paused_executors")
    assert (found["severity"], found["subject"]) == ("note", "executor local")
    run_sql(database, "select pgflow.resume_executor('local')")
    assert found_by(project, "paused_executors") == []
    refused = "paused_at = now(), pause_reason = 'the key was revoked', probe_at = now() + interval '30 s'"
    run_sql(database, f"update pgflow.executors set {refused}, refusals = 1")
    (found,) = found_by(project, "refused_executors")
    assert (found["severity"], found["subject"]) == ("error", "executor local")
    assert "the key was revoked" in found["finding"]


def test_a_check_that_cannot_look_keeps_none_from_looking(project, database):
    with psycopg.connect(database) as holder:
        holder.execute("lock table pgflow.executors")
        found = examine(project)
    assert {(f["check"], f["severity"]) for f in found} >= {("paused_executors", "unknown")}


def test_the_age_of_python_is_looked_at(project, database, monkeypatch):
    monkeypatch.setattr("pgflow.cli._doctor.here._OLDEST_PYTHON", (99, 0))
    (found,) = found_by(project, "python")
    assert "3.11 or newer" in found["finding"]


def test_the_age_of_the_server_is_looked_at(project, database, monkeypatch):
    monkeypatch.setattr("pgflow.cli._doctor.there._OLDEST_SERVER", 99)
    (found,) = found_by(project, "server")
    assert (found["severity"], found["subject"]) == ("error", "PostgreSQL")
