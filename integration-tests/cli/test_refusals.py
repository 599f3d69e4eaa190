"""What a command refuses before it does anything, or because the database does: one message each."""

import json
import secrets

import psycopg
import pytest
from pgflow import Client
from pgflow.cli.app import app
from psycopg import sql
from psycopg.conninfo import make_conninfo

from .conftest import ONE_STEP


def told(result) -> tuple[str, str]:
    """Split what is shown into the error and its mend; no traceback, nothing on stdout."""
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("error: ")
    what, _, mend = result.stderr.rstrip("\n").partition("\n mend: ")
    return what.removeprefix("error: "), mend


@pytest.mark.parametrize(
    ("arguments", "what", "mend"),
    [
        (["pause"], "no run and no executor is named", "name one: RUN_ID, or --executor NAME"),
        (["resume", "0", "--executor", "gpu"], "a run and an executor are named", "name one"),
        (["pause", "0", "--reason", "x"], "--reason is of an executor's pause", "leave it out"),
        (
            ["runs", "--watch", "--before", "01a204bf-b5e6-79f5-b55d-bd9783897660"],
            "--watch shows",
            "leave one",
        ),
        (["run", "x", "--timeout", "3"], "--timeout is for waiting", "add --wait"),
        (["retry", "0", "--dispatch"], "--dispatch is for waiting", "add --wait"),
        (["migrate", "--from", "1"], "--from is for printing the SQL", "add --sql"),
        (["prune"], "Missing option '--older-than'", "`pgflow prune --help` shows"),
        (
            ["prune", "--older-than", "soon"],
            "Invalid value for '--older-than': 'soon' is not a duration",
            "--help",
        ),
        (["runs", "--since", "soon"], "Invalid value for '--since': 'soon' is no moment", "--help"),
        (["runs", "--before", "0199"], "Invalid value for '--before'", "--help"),
        (["logs"], "Missing argument 'RUN_ID'", "--help"),
        (["completion", "csh"], "Invalid value for '{bash|zsh|fish}'", "--help"),
        (["run", "x", "--input", '{"a": 1,}'], "--input is not JSON: ", "write JSON"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_do_not_fit_are_refused(project, arguments, what, mend):
    refused = told(project.pgflow(*arguments, code=2))
    assert refused[0].startswith(what)
    assert mend in refused[1]
    as_json = json.loads(project.pgflow(*arguments, "--json", code=2).stderr)["error"]
    assert as_json["message"] == refused[0]


def test_bad_json_is_shown_with_its_place(project):
    what, _ = told(project.pgflow("run", "x", "--input", '{"a": 1,}', code=2))
    assert "line 1 column " in what


def test_a_broken_configuration_file_is_shown_with_its_line(project):
    project.write("pgflow.toml", 'flows = ["a:b"\n[executors\n')
    what, _ = told(project.pgflow("deploy", code=2))
    assert what.startswith(f"{project.folder / 'pgflow.toml'}: is not valid TOML: ")
    assert "line 2" in what


@pytest.fixture
def login(database):
    """A function that makes a login with these roles, and returns its DSN."""
    made: list[str] = []
    with psycopg.connect(database, autocommit=True) as connection:

        def make(*roles: str) -> str:
            name, password = f"login_{secrets.token_hex(4)}", secrets.token_hex(8)
            made.append(name)
            connection.execute(
                sql.SQL("create role {} login password {}").format(
                    sql.Identifier(name), sql.Literal(password)
                )
            )
            for role in roles:
                connection.execute(
                    sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(name))
                )
            return make_conninfo(database, user=name, password=password)

        yield make
        for name in made:
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def test_a_wrong_password_is_told_without_it(project, login):
    dsn = make_conninfo(login(), password="swordfish")
    what, _ = told(project.pgflow("runs", "--dsn", dsn, code=1))
    assert "Check the user and the password of the DSN." in what
    assert "swordfish" not in what


def test_a_database_that_does_not_exist_is_named(project, database):
    what, _ = told(project.pgflow("runs", "--dsn", make_conninfo(database, dbname="nowhere"), code=1))
    assert "Create that database, or name another one in the DSN." in what


def test_a_user_without_a_role_is_told_which_there_are(project, login):
    what, _ = told(project.pgflow("runs", "--dsn", login(), code=1))
    assert "permission denied for schema pgflow" in what
    assert "pgflow_client" in what


def test_a_role_that_may_not_do_it_is_told_so(project, login):
    project.write("shop.py", ONE_STEP)
    what, _ = told(project.pgflow("deploy", "shop:shop", "--dsn", login("pgflow_client"), code=1))
    assert "permission denied for function define_flow" in what
    assert "pgflow_deployer" in what


def test_a_client_sees_and_touches_its_own_runs_only(project, database, login):
    project.write("shop.py", ONE_STEP)
    project.pgflow("deploy", "shop:shop")
    ours, theirs = login("pgflow_client"), login("pgflow_client")
    with Client(theirs) as client:
        run_id = str(client.start_by_slug("shop", 1).run_id)
    assert project.json("runs", "--dsn", ours) == []
    for command in (["cancel", run_id], ["pause", run_id], ["status", run_id], ["logs", run_id]):
        what, _ = told(project.pgflow(*command, "--dsn", ours, code=1))
        assert "belongs to another user" in what
    assert [run["run_id"] for run in project.json("runs", "--dsn", theirs)] == [run_id]


@pytest.mark.parametrize("name", sorted(app.commands))
def test_an_option_that_a_command_does_not_have_is_named(project, name):
    what, mend = told(project.pgflow(name, "--nonsense", code=2))
    assert what.startswith("No such option")
    assert "--nonsense" in what
    assert mend == f"`pgflow {name} --help` shows its options and an example"


def test_an_input_that_is_no_text_is_refused(project):
    order = b'{"item": "caf\xe9"}'
    (project.folder / "order.json").write_bytes(order)
    refused = told(project.pgflow("run", "x", "--input", "@order.json", code=2))
    assert refused == ("order.json is not UTF-8 text", "write it as UTF-8")
    refused = told(project.pgflow("run", "x", "--input", "-", text=order, code=2))
    assert refused == ("standard input is not UTF-8 text", "write it as UTF-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000 + "]" * 100_000, "--input is nested more than 190 levels deep"),
        ("[1e999]", "--input is not JSON: 1e999 is too large a number"),
    ],
)
def test_an_input_that_python_cannot_hold_is_refused(project, text, said):
    assert told(project.pgflow("run", "x", "--input", text, code=2))[0].startswith(said)


@pytest.mark.parametrize("command", [["dispatch", "--http", "127.0.0.1:0"], ["serve"]])
def test_what_needs_an_extra_says_which(project, database, monkeypatch, command):
    monkeypatch.setattr("pgflow.cli._http.find_spec", lambda name: None)
    what, mend = told(project.pgflow(*command, code=2))
    assert what.startswith("serving HTTP needs packages that are not installed: httptools, prometheus_client")
    assert mend == "pip install 'pgflow-core[http]'"


def test_tracing_without_its_packages_says_what_to_install(project, database, monkeypatch):
    monkeypatch.setattr("pgflow.cli._tracing.find_spec", lambda name: None)
    project.write("pgflow.toml", "[dispatcher]\ntracing = true\n")
    what, mend = told(project.pgflow("dispatch", code=2))
    assert what == "[dispatcher] tracing is on, but OpenTelemetry is not installed"
    assert mend == "pip install 'pgflow-core[otel]', or set tracing = false"


def test_a_dispatcher_that_dies_ends_the_wait(project, database):
    deadly = ONE_STEP.replace("return n\n", "os.kill(os.getppid(), 9)\n", 1)
    project.write("shop.py", f"import os\n{deadly}")
    said = project.pgflow("run", "shop:shop", "--input", "1", "--wait", "--dispatch", code=1).stderr
    assert "error: the dispatcher ended with exit code -9:" in said
    assert said.endswith(" mend: `pgflow dispatch` shows all that it says\n")
