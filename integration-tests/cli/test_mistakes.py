"""Bad input: each mistake gets one clear message, an exit code that is not 0, and loses nothing."""

import json
import socket
import uuid
from contextlib import contextmanager
from uuid import UUID

import psycopg
import pytest
from pgflow.embedded import EmbeddedServer
from psycopg import sql

FLOWS = """
from dataclasses import dataclass
from pgflow import Node, flow, step

@dataclass
class Order:
    item: str
    amount: int = 1

@dataclass
class Parcel:
    order: Order

def pack(order: Order) -> Parcel:
    return Parcel(order)

def pack_oddly(order: Order) -> dict[str, int]:
    return {"parcel": object()}

@flow
def shop(order: Node[Order]) -> Node[Parcel]:
    return step(pack, order)

@flow(max_attempts=1)
def odd(order: Node[Order]) -> Node[dict[str, int]]:
    return step(pack_oddly, order)
"""


@pytest.fixture
def shop(project, database):
    project.write("shop.py", FLOWS)
    project.pgflow("deploy", "shop:shop")
    return project


@contextmanager
def empty_database(server):
    name = f"pgflow_empty_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            yield server.dsn(name)
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def told(result) -> tuple[str, str]:
    """Split what is shown into the error and its mend; no traceback, nothing on stdout."""
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("error: ")
    what, _, mend = result.stderr.partition("\n mend: ")
    return what.removeprefix("error: "), mend


# The flow


def test_an_unknown_flow_is_answered_with_close_names(shop):
    what, mend = told(shop.pgflow("run", "shpo", code=2))
    assert what == "there is no flow 'shpo' in this database"
    assert mend == "did you mean `shop`?\n"
    what, mend = told(shop.pgflow("graph", "zzz", code=2))
    assert "deployed flows are shop" in mend


# The input


@pytest.mark.parametrize("flow", ["shop", "shop:shop"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{item: 1}", "--input is not JSON: Expecting property name"),
        ('{"item": NaN}', "--input is not JSON: NaN is not a JSON value"),
        ("@nowhere.json", "nowhere.json cannot be read: No such file"),
    ],
)
def test_input_that_is_not_json_is_refused(shop, flow, text, said):
    what, _ = told(shop.pgflow("run", flow, "--input", text, code=2))
    assert what.startswith(said)
    assert shop.json("runs") == []


@pytest.mark.parametrize("flow", ["shop", "shop:shop"])
@pytest.mark.parametrize(
    ("value", "field"),
    [({"item": "tea", "amount": "many"}, "amount"), ({"amount": 1}, "item"), (["tea"], None), ({}, "item")],
)
def test_input_of_another_shape_is_refused_with_the_field(shop, flow, value, field):
    refused = shop.pgflow("run", flow, "--input", json.dumps(value), "--json", code=2)
    error = json.loads(refused.stderr)["error"]
    assert error.get("field") == field
    if field:
        assert field in error["message"]
    assert "no run was started" in error["mend"]
    assert shop.json("runs") == []


@pytest.mark.parametrize("flow", ["shop", "shop:shop"])
def test_an_input_that_is_needed_and_not_given_is_asked_for(shop, flow):
    what, mend = told(shop.pgflow("run", flow, code=2))
    assert what.startswith("the input of flow 'shop' is not valid: ")
    assert "item" in what
    assert mend == "give the input: --input JSON, or --input @FILE; no run was started\n"


def test_a_tag_without_a_value_is_refused(shop):
    assert told(shop.pgflow("runs", "--tag", "day", code=2)) == (
        "'day' is not a tag",
        "write --tag KEY=VALUE\n",
    )


# The handlers


def test_a_handler_that_returns_something_that_is_not_json_fails_the_run(shop):
    failed = shop.pgflow("run", "shop:odd", "--input", '{"item": "tea"}', "--wait", "--dispatch", code=1)
    assert "OUTPUT_INVALID" in failed.stderr
    assert "failed at step 'pack_oddly'" in failed.stderr
    run = shop.json("runs")[0]
    shown = shop.pgflow("status", run["run_id"]).stdout
    assert "OUTPUT_INVALID" in shown


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (FLOWS.replace("def pack(", "def renamed("), ["name 'pack' is not defined"]),
        (
            "def find():\n    import nowhere\n\nfind()\n",
            ["No module named 'nowhere'", "shop.py", "line 4, in <module>", "find()", "line 2, in find"],
        ),
    ],
)
def test_a_handler_that_cannot_be_imported_is_shown_and_the_task_is_kept(shop, source, said):
    shop.write("shop.py", source)
    # What is meant for the service, its port and its log, is not for the dispatcher of one command.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = f'http = "127.0.0.1:{taken.getsockname()[1]}"\nlog_format = "json"'
        shop.write("pgflow.toml", f"[dispatcher]\n{service}\n")
        waited = shop.pgflow(
            "run", "shop", "--input", '{"item": "tea"}', "--wait", "--dispatch", "--timeout", "8", code=1
        )
    assert "is still running after 8 s" in waited.stderr
    assert "HANDLER_MISSING" in waited.stderr
    assert [part for part in said if part not in waited.stderr] == []
    run = shop.json("runs")[0]
    assert run["status"] == "running"
    assert "attempt 1 released" in shop.pgflow("status", run["run_id"]).stdout


# The database


def test_an_unreachable_database_is_named_without_its_password(project, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        dsn = f"postgresql://ada:swordfish@127.0.0.1:{taken.getsockname()[1]}/app"
        for command in (["runs"], ["migrate"], ["status", "0"], ["dispatch"]):
            what, mend = told(project.pgflow(*command, "--dsn", dsn, code=1))
            assert what.startswith("cannot connect to PostgreSQL at 127.0.0.1, port")
            assert "PGFLOW_DSN" in what
            assert mend == "without any DSN an embedded PostgreSQL starts by itself\n"
            assert "swordfish" not in what + mend


def test_a_dsn_that_cannot_be_read_is_not_repeated(project):
    what, _ = told(project.pgflow("runs", "--dsn", "swordfish", code=2))
    assert "the DSN cannot be read" in what
    assert "swordfish" not in what


def test_a_database_without_the_schema_says_migrate(project, pgflow_server):
    with empty_database(pgflow_server) as dsn:
        for command in (["runs"], ["deploy", "x:y"], ["run", "x"], ["dispatch"]):
            project.write("x.py", FLOWS.replace("def shop", "def y"))
            what, _ = told(project.pgflow(*command, "--dsn", dsn, code=1))
            assert "no PGFlow schema" in what
            assert "pgflow migrate" in what
        assert "applied 0001" in project.pgflow("migrate", "--dsn", dsn).stdout
        assert "already at schema version" in project.pgflow("migrate", "--dsn", dsn).stdout
        assert project.json("runs", "--dsn", dsn) == []


def set_version(dsn: str, version: int) -> None:
    query = "create or replace function pgflow.schema_version() returns int language sql return {}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL(query).format(sql.Literal(version)))


def test_a_schema_that_is_too_old_says_migrate(project, database):
    set_version(database, 0)
    what, _ = told(project.pgflow("runs", code=1))
    assert "the database has PGFlow schema 0" in what
    assert "pgflow migrate" in what


def test_a_schema_that_is_too_new_says_upgrade(project, database):
    set_version(database, 99)
    what, _ = told(project.pgflow("runs", code=1))
    assert "the database has PGFlow schema 99" in what
    assert "upgrade pgflow-core" in what


def test_a_foreign_schema_is_left_alone(project, pgflow_server):
    tables = "select count(*) from pg_tables where schemaname like 'pgflow%'"
    with empty_database(pgflow_server) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create schema pgflow; create table pgflow.flows (flow_slug text)")
        for command in ("migrate", "runs"):
            what, mend = told(project.pgflow(command, "--dsn", dsn, code=1))
            assert "pgflow" in what
            assert "nothing was changed" in mend
        assert connection.execute(tables).fetchone() == (1,)


# Executors and plugins


@pytest.fixture
def broken_plugin(project, monkeypatch):
    """An installed distribution whose plugin cannot be imported."""
    project.write("site/broken_plugin.py", "import nowhere\n")
    about = "site/pgflow_broken-1.0.dist-info"
    project.write(f"{about}/METADATA", "Metadata-Version: 2.1\nName: pgflow-broken\nVersion: 1.0\n")
    project.write(f"{about}/entry_points.txt", "[pgflow]\nbroken = broken_plugin\n")
    monkeypatch.syspath_prepend(str(project.folder / "site"))
    return project


def test_a_broken_plugin_is_told_with_the_reason_and_stops_no_other(broken_plugin):
    listed = broken_plugin.json("plugins", code=1)
    assert {"lambda", "local", "supabase"} <= {executor["name"] for executor in listed["executors"]}
    (problem,) = listed["problems"]
    assert (problem["name"], problem["distribution"], problem["version"]) == (
        "broken",
        "pgflow-broken",
        "1.0",
    )
    assert "No module named 'nowhere'" in problem["error"]
    shown = broken_plugin.pgflow("plugins", code=1).stdout
    assert "broken: plugin broken of pgflow-broken" in shown
    assert "mend:" in shown


def test_an_executor_that_no_plugin_brings_is_refused(project, database):
    project.write("pgflow.toml", '[executors.gpu]\nuse = "kubernetse"\n')
    what, _ = told(project.pgflow("dispatch", code=2))
    assert "executors.gpu.use: no executor 'kubernetse' is installed" in what


def test_a_setting_that_the_executor_does_not_take_is_refused(project, database):
    project.write("pgflow.toml", '[executors.local]\nuse = "local"\nproceses = 2\n')
    what, _ = told(project.pgflow("dispatch", code=2))
    assert "unknown setting `proceses`; did you mean `processes`?" in what


def test_an_executor_that_is_not_configured_is_refused(project, database):
    what, _ = told(project.pgflow("dispatch", "--executor", "gpu", code=2))
    assert "no executor 'gpu' (there are: local)" in what


def test_a_step_on_an_executor_that_is_not_configured_is_noted_at_deploy(project, database):
    project.write(
        "remote.py",
        "from pgflow import Node, flow, step\nfrom pgflow.dsl import Target\ndef work(n: int) -> int: ...\n"
        "@flow\ndef remote(n: Node[int]) -> Node[int]:\n    return step(work, n, runs_on=Target('gpu'))\n",
    )
    deployed = project.pgflow("deploy", "remote:remote")
    assert "note: step 'work' runs on 'gpu', which is not configured here" in deployed.stderr
    assert "remote version 1 new" in deployed.stdout


def test_a_step_option_that_the_executor_refuses_stops_the_deployment(project, database):
    project.write(
        "remote.py",
        "from pgflow import Node, flow, step\nfrom pgflow.dsl import Target\ndef work(n: int) -> int: ...\n"
        "@flow\ndef remote(n: Node[int]) -> Node[int]:\n"
        "    return step(work, n, runs_on=Target('local', {'memory': 1}))\n",
    )
    what, _ = told(project.pgflow("deploy", "remote:remote", code=2))
    assert "flow 'remote', step 'work'" in what
    assert "unknown option `memory`" in what


# The embedded server


def test_a_port_in_use_is_named(project, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("PGFLOW_EMBEDDED__PORT", str(port))
        what, _ = told(project.pgflow("runs", code=1))
    assert str(port) in what


def of_another_build(server):
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("update pgflow.migrations set checksum = repeat('0', 64)")


@pytest.mark.slow
def test_an_embedded_database_of_another_build_is_set_aside(project):
    project.pgflow("migrate")
    folder = project.folder / ".pgflow" / "postgres"
    with EmbeddedServer.ensure(folder) as server:
        of_another_build(server)
    said = project.pgflow("runs").stderr
    (kept,) = (project.folder / ".pgflow").glob("postgres-until-*")
    assert f"it is kept in {kept}" in said
    with EmbeddedServer.ensure(kept) as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("select checksum from pgflow.migrations").fetchone() == ("0" * 64,)
    assert project.json("runs") == []


@pytest.mark.slow
def test_an_embedded_database_of_another_build_that_is_in_use_is_left_there(project):
    project.pgflow("migrate")
    folder = project.folder / ".pgflow" / "postgres"
    with EmbeddedServer.ensure(folder) as server:
        of_another_build(server)
        what, mend = told(project.pgflow("runs", code=1))
    assert "is not the one of this release" in what
    assert f"remove {folder} to start with a new one" in mend


def test_a_folder_that_holds_something_else_is_not_touched(project):
    project.write(".pgflow/postgres/letters.txt", "dear ...")
    what, _ = told(project.pgflow("runs", code=1))
    assert "holds something PGFlow did not make" in what
    assert [path.name for path in (project.folder / ".pgflow" / "postgres").iterdir()] == ["letters.txt"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["status", "xyz"], "'xyz' is not a run id"),
        (["status", "0199"], "no run id starts with '0199'"),
        (["logs", "latest"], "there is no run yet"),
        (["deploy"], "no pgflow.toml was found, so it names no flows"),
        (["runs", "--since", "someday"], "'someday' is no moment; say how long ago"),
        (["prune", "--older-than", "999999999w"], "'999999999w' is too long"),
        (
            ["runs", "--watch", "--before", str(UUID(int=1))],
            "--watch shows the newest runs, --before older ones",
        ),
        (["launch"], "there is no command `launch`"),
        (["--config", "pgflow.toml", "runs"], "options follow their command: `pgflow COMMAND --config ...`"),
        (["pause", "--executor", ""], "executor must be given\n mend: correct that value and try again"),
    ],
)
def test_what_cannot_be_meant_is_wrong_use_and_said(project, database, command, said):
    assert said in project.pgflow(*command, code=2).stderr
