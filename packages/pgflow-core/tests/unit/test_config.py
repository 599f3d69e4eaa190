"""The configuration: where it is found, what wins, and what a mistake is answered with."""

from pathlib import Path

import pytest
from pgflow.config import Database, Embedded, load, redact
from pgflow.envelope import ReportTarget
from pgflow.errors import ConfigError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("PGFLOW_DSN", "DATABASE_URL", "PGFLOW_FLOWS", "PGFLOW_EMBEDDED__PORT"):
        monkeypatch.delenv(name, raising=False)


def write(folder: Path, text: str) -> Path:
    file = folder / "pgflow.toml"
    file.write_text(text, encoding="utf-8")
    return file


def refusal(folder: Path, text: str) -> str:
    write(folder, text)
    with pytest.raises(ConfigError) as caught:
        load(folder)
    return str(caught.value)


def test_the_embedded_server_can_be_placed(tmp_path, monkeypatch):
    write(tmp_path, '[embedded]\ndata_dir = "data"\nversion = "16"\n')
    monkeypatch.setenv("PGFLOW_EMBEDDED__PORT", "6543")
    assert load(tmp_path).database() == Embedded(tmp_path / "data", "16", 6543)


def test_without_a_file_the_database_is_embedded_in_the_working_directory(tmp_path):
    config = load(tmp_path)
    assert config.file is None
    assert config.database() == Embedded(tmp_path / ".pgflow" / "postgres", "18")
    assert {name: executor.use for name, executor in config.settings.executors.items()} == {"local": "local"}


def test_the_nearest_file_above_is_read_and_its_paths_are_relative_to_it(tmp_path):
    write(tmp_path, 'flows = ["shop.orders:order"]\npythonpath = ["src"]\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    config = load(below)
    assert config.root == tmp_path
    assert config.settings.flows == ["shop.orders:order"]
    assert config.pythonpath == [tmp_path / "src"]
    assert config.database() == Embedded(tmp_path / ".pgflow" / "postgres", "18")


def test_a_dsn_is_looked_for_in_order(tmp_path, monkeypatch):
    file = write(tmp_path, 'dsn = "postgresql://in-file/app"\n')
    config = load(tmp_path)

    def chosen(flag: str | None = None) -> tuple[str, str]:
        database = config.database(flag)
        assert isinstance(database, Database)
        return database.dsn.get_secret_value(), database.source

    assert chosen() == ("postgresql://in-file/app", str(file))
    monkeypatch.setenv("DATABASE_URL", "postgresql://in-url/app")
    assert chosen() == ("postgresql://in-url/app", "DATABASE_URL")
    monkeypatch.setenv("PGFLOW_DSN", "postgresql://in-env/app")
    assert chosen() == ("postgresql://in-env/app", "PGFLOW_DSN")
    assert chosen("postgresql://flag/app") == ("postgresql://flag/app", "--dsn")


def test_an_empty_variable_counts_as_unset(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("PGFLOW_FLOWS", "")
    assert isinstance(load(tmp_path).database(), Embedded)


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    write(tmp_path, 'flows = ["a:b"]\n[executors.local]\nuse = "local"\nprocesses = 2\n')
    monkeypatch.setenv("PGFLOW_FLOWS", "x.y:z, v:w")
    monkeypatch.setenv("PGFLOW_EXECUTORS__LOCAL__PROCESSES", "7")
    settings = load(tmp_path).settings
    assert settings.flows == ["x.y:z", "v:w"]
    assert settings.executors["local"].use == "local"
    assert settings.executors["local"].settings == {"processes": 7}


def test_executors_named_in_the_file_replace_the_default(tmp_path):
    write(tmp_path, '[executors.gpu]\nuse = "kubernetes"\nnamespace = "jobs"\n')
    executors = load(tmp_path).settings.executors
    assert list(executors) == ["gpu"]
    assert executors["gpu"].settings == {"namespace": "jobs"}


def test_an_unknown_key_names_file_key_and_mend(tmp_path):
    message = refusal(tmp_path, 'flow = ["a:b"]\n')
    assert message == f"{tmp_path / 'pgflow.toml'}: unknown key `flow`; did you mean `flows`?"


def test_an_unknown_key_in_a_table_is_named_with_its_path(tmp_path):
    message = refusal(tmp_path, "[dispatcher]\ngrase = 3\n")
    assert "unknown key `dispatcher.grase`; did you mean `grace`?" in message


def test_every_mistake_is_told_at_once(tmp_path):
    message = refusal(tmp_path, "colour = 1\n[embedded]\nversion = '9'\n")
    assert len(message.splitlines()) == 2
    assert "unknown key `colour`; known keys are dsn, flows," in message
    assert "`embedded.version` is wrong: Input should be '16' or '18'" in message


def test_an_executor_without_use_is_refused(tmp_path):
    assert "key `executors.gpu.use` is missing" in refusal(tmp_path, "[executors.gpu]\nsize = 1\n")


def test_a_flow_that_is_no_reference_is_refused_with_the_form(tmp_path):
    assert 'write it "module:flow"' in refusal(tmp_path, 'flows = ["orders.py"]\n')


def test_a_wrong_variable_is_named_instead_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("PGFLOW_FLOWS", "orders")
    with pytest.raises(ConfigError, match="environment variable PGFLOW_FLOWS"):
        load(tmp_path)


def test_a_variable_for_a_table_that_is_no_json_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PGFLOW_DISPATCHER", "30")
    assert "PGFLOW_DISPATCHER" in refusal(tmp_path, "")
    monkeypatch.setenv("PGFLOW_DISPATCHER", "thirty")
    assert refusal(tmp_path, "").startswith("environment variable PGFLOW_DISPATCHER: not a JSON object")


def test_broken_toml_is_told_with_its_place(tmp_path):
    assert "(at line 2, column 1" in refusal(tmp_path, 'flows = ["a:b"\n= 3')


def test_a_named_file_must_exist(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path, file=tmp_path / "other.toml")


def test_a_password_is_never_shown(tmp_path, monkeypatch):
    write(tmp_path, 'dsn = "postgresql://ada:swordfish@db.example/app"\n')
    config = load(tmp_path)
    assert "swordfish" not in repr(config)
    assert "swordfish" not in str(config.database())
    assert str(config.database()).startswith("host=db.example dbname=app user=ada (from ")
    assert "swordfish" not in refusal(tmp_path, 'dsn = ["swordfish"]\n')


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://ada:pw@h:5/app?sslmode=require", "host=h port=5 dbname=app user=ada"),
        ("host=h password=pw", "host=h"),
        ("postgresql://", "the default server"),
        ("pw pw pw", "a DSN that PostgreSQL cannot read"),
    ],
)
def test_redact(dsn, shown):
    assert redact(dsn) == shown


def test_attempts_that_run_elsewhere_report_to_the_public_url(tmp_path):
    write(tmp_path, '[api]\npublic_url = "https://flows.example.com"\n')
    assert load(tmp_path).settings.api.target == ReportTarget("http", "https://flows.example.com/")


def test_an_executor_may_have_its_attempts_report_elsewhere(tmp_path):
    text = '[executors.edge]\nuse = "edge"\nmax_in_flight = 4\nregion = "eu"\n[executors.edge.report_to]\n'
    write(
        tmp_path, text + 'kind = "postgrest"\nurl = "https://x.example.com/rest/v1"\napikey = "sb_secret"\n'
    )
    settings = load(tmp_path).settings
    table = settings.executors["edge"]
    assert table.report_to == ReportTarget("postgrest", "https://x.example.com/rest/v1/", "sb_secret")
    assert (table.max_in_flight, table.observe_every, table.settings) == (4, 15, {"region": "eu"})
    assert "sb_secret" not in repr(settings)
    assert settings.api.target is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('public_url = "ftp://x"', "https://"),
        ('report_to = {kind = "pigeon"}', "postgrest"),
        ('report_to = {kind = "http"}', "https://"),
        ('public_url = "https://x"\nreport_to = {kind = "postgres"}', "keep one"),
    ],
)
def test_a_target_that_no_attempt_could_use_is_refused(tmp_path, text, said):
    assert said in refusal(tmp_path, f"[api]\n{text}\n")


def test_a_nearer_variable_wins_over_its_table_and_both_over_the_file(tmp_path, monkeypatch):
    write(tmp_path, '[dispatcher]\nlease = 60\ngrace = 1\nlog_format = "json"\n')
    monkeypatch.setenv("PGFLOW_DISPATCHER", '{"lease": 50, "grace": 2}')
    monkeypatch.setenv("pgflow_dispatcher__grace", "3")
    found = load(tmp_path).settings.dispatcher
    assert (found.lease, found.grace, found.log_format) == (50, 3, "json")


def test_a_variable_is_text_where_its_key_takes_text(tmp_path, monkeypatch):
    monkeypatch.setenv("PGFLOW_API__WAKE_SECRET", "1234567890123456")
    monkeypatch.setenv("PGFLOW_API__CORS_ORIGINS", '["https://a.example", "https://b.example"]')
    api = load(tmp_path).settings.api
    assert api.wake_secret is not None
    assert api.wake_secret.get_secret_value() == "1234567890123456"
    assert api.cors_origins == ["https://a.example", "https://b.example"]


def test_a_variable_makes_an_executor(tmp_path, monkeypatch):
    write(tmp_path, '[executors.local]\nuse = "local"\n')
    monkeypatch.setenv("PGFLOW_EXECUTORS__GPU__USE", "kubernetes")
    monkeypatch.setenv("PGFLOW_EXECUTORS__GPU__LABELS", '{"team": "ml"}')
    monkeypatch.setenv("PGFLOW_EXECUTORS__GPU__NAMESPACE", "[jobs")
    executors = load(tmp_path).settings.executors
    assert list(executors) == ["local", "gpu"]
    assert executors["gpu"].settings == {"labels": {"team": "ml"}, "namespace": "[jobs"}


def test_an_unknown_key_of_a_table_is_told_of_its_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("PGFLOW_DISPATCHER__GRASE", "3")
    said = (
        "environment variable PGFLOW_DISPATCHER__GRASE: unknown key `dispatcher.grase`; did you mean `grace`?"
    )
    assert refusal(tmp_path, "") == said


def test_variables_of_others_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("PGFLOW_PLUGINS", "local")
    monkeypatch.setenv("PGFLOW_DISPATCHERS__LEASE", "3")
    assert load(tmp_path).settings.dispatcher.lease == 30
