"""The files that operators copy out of `run-in-production.md`, read by the tools that will read them."""

import configparser
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict

from .snippets import FILE, snippets

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/how-to/run-in-production.md"
#: Seconds for the last reports, after `grace`.
REPORTS = 20


def texts(language: str, page: Path = PAGE) -> list[str]:
    """Return a page's blocks in a language."""
    return [each.text for each in snippets(page.read_text(encoding="utf-8")) if each.language == language]


def file(name: str, page: Path = PAGE) -> str:
    """Return the block that begins with a comment naming this file."""
    blocks = [each.text for each in snippets(page.read_text(encoding="utf-8"))]
    (found,) = [text for text in blocks if (named := FILE.match(text)) and named["name"] == name]
    return found


def run(*command: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def configuration():
    return tomllib.loads(file("pgflow.toml"))


@pytest.fixture
def unit(tmp_path):
    """The systemd unit, with the project in a folder that is there."""
    (text,) = texts("ini")
    program = tmp_path / "srv/shop/.venv/bin/pgflow"
    program.parent.mkdir(parents=True)
    program.symlink_to(Path(sys.executable).with_name("pgflow"))
    path = tmp_path / "pgflow-dispatch.service"
    path.write_text(text.replace("/srv/shop", str(tmp_path / "srv/shop")))
    return path


def test_systemd_finds_nothing_to_say_about_the_unit(unit):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    assert run(program, "verify", "--man=no", unit).strip() == ""


def test_the_unit_leaves_the_dispatcher_time_to_stop(unit, configuration):
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # systemd minds upper case
    parser.read_string(unit.read_text())
    service = parser["Service"]
    assert float(service["TimeoutStopSec"]) >= configuration["dispatcher"]["grace"] + REPORTS
    assert (service["KillMode"], service["Restart"]) == ("mixed", "always")
    program, command = service["ExecStart"].split()
    run(program, command, "--help")


def dockerfiles():
    """Yield every Dockerfile that is there to be copied, by a name for it."""
    for page in sorted((ROOT / "docs/how-to").glob("*.md")):
        blocks = [
            each for each in snippets(page.read_text(encoding="utf-8")) if each.language == "dockerfile"
        ]
        for block in blocks:
            yield pytest.param(block.text, id=f"{page.name}:{block.line}")
    for path in sorted((ROOT / "examples").glob("*/Dockerfile")):
        yield pytest.param(path.read_text(encoding="utf-8"), id=str(path.relative_to(ROOT)))


@pytest.mark.parametrize("text", list(dockerfiles()))
def test_a_linter_finds_nothing_to_say_about_the_dockerfile(text, tmp_path):
    path = tmp_path / "Dockerfile"
    path.write_text(text)
    assert run(Path(sys.executable).with_name("hadolint"), path) == ""


def test_the_services_of_compose_fit_together(configuration):
    services = yaml.safe_load(file("compose.yaml"))["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        dsn = conninfo_to_dict(service.get("environment", {}).get("PGFLOW_DSN", "host=database"))
        assert dsn["host"] in services
    dispatcher = services["dispatcher"]
    grace = configuration["dispatcher"]["grace"] + REPORTS
    assert int(dispatcher["stop_grace_period"].removesuffix("s")) >= grace
    port = configuration["dispatcher"]["http"].rpartition(":")[2]
    assert f":{port}/healthz" in dispatcher["healthcheck"]["test"][-1]


def test_the_probes_of_kubernetes_ask_the_dispatcher(configuration):
    (text,) = [text for text in texts("yaml") if "livenessProbe" in text]
    port = int(configuration["dispatcher"]["http"].rpartition(":")[2])
    gets = {name: probe["httpGet"] for name, probe in yaml.safe_load(text).items()}
    assert gets == {
        "livenessProbe": {"path": "/healthz", "port": port},
        "readinessProbe": {"path": "/readyz", "port": port},
    }


@pytest.fixture
def promtool():
    found = shutil.which(os.environ.get("PGFLOW_PROMTOOL", "promtool"))
    if found is None:
        pytest.skip("promtool is not installed: `hatch run operations` fetches it")
    return found


def test_prometheus_reads_the_configuration_and_the_rules(promtool, tmp_path):
    (tmp_path / "prometheus.yml").write_text(file("prometheus.yml"))
    (tmp_path / "alerts.yml").write_text(file("alerts.yml"))
    assert "10 rules found" in run(promtool, "check", "config", tmp_path / "prometheus.yml")


#: Series every minute -> the alerts they set off after 40 minutes.
ALERTS = {
    "all is well": ({'pgflow_accepting{instance="a"}': "1x60"}, []),
    "nobody claims": ({"pgflow_accepting": "0x60"}, [("PgflowNobodyClaims", {})]),
    "no dispatcher is there": ({"up": "1x60"}, [("PgflowNobodyClaims", {})]),
    "tasks wait": (
        {"pgflow_accepting": "1x60", 'pgflow_oldest_ready_seconds{executor="gpu"}': "400x60"},
        [("PgflowTasksWait", {"executor": "gpu"})],
    ),
    "tasks wait on a paused executor": (
        {
            "pgflow_accepting": "1x60",
            'pgflow_oldest_ready_seconds{executor="gpu"}': "400x60",
            'pgflow_executor_paused{executor="gpu"}': "1x60",
        },
        [],
    ),
    "timers are late": (
        {"pgflow_accepting": "1x60", "pgflow_sweep_lag_seconds": "90x60"},
        [("PgflowTimersLate", {})],
    ),
    "tasks fail": (
        {"pgflow_accepting": "1x60", 'pgflow_tasks_failed_total{flow="f",executor="local"}': "0+12x60"},
        [("PgflowTasksFail", {"flow": "f"})],
    ),
    "tasks are retried": (
        {
            "pgflow_accepting": "1x60",
            'pgflow_tasks_started_total{flow="f",executor="local"}': "0+10x60",
            'pgflow_tasks_retried_total{flow="f",executor="local"}': "0+6x60",
        },
        [("PgflowTasksRetry", {"flow": "f"})],
    ),
    "tasks are lost": (
        {"pgflow_accepting": "1x60", 'pgflow_tasks_lost_total{flow="f",executor="local"}': "0+1x60"},
        [("PgflowTasksLost", {})],
    ),
    "reports pile up": (
        {"pgflow_accepting": "1x60", 'pgflow_unsent_reports{executor="local"}': "2000x60"},
        [("PgflowReportsPileUp", {"executor": "local"})],
    ),
    "the database comes and goes": (
        {"pgflow_accepting": "1x60", "pgflow_database_reconnects_total": "0+1x60"},
        [("PgflowDatabaseFlaps", {})],
    ),
    "a handler is missing": (
        {"pgflow_accepting": "1x60", 'pgflow_problems{kind="HANDLER_MISSING"}': "3x60"},
        [("PgflowHandlerMissing", {})],
    ),
    "another problem": (
        {"pgflow_accepting": "1x60", 'pgflow_problems{kind="EXCHANGE_FAILED"}': "3x60"},
        [("PgflowProblem", {"kind": "EXCHANGE_FAILED"})],
    ),
}


def test_each_alert_fires_when_it_should_and_alone(promtool, tmp_path):
    (tmp_path / "alerts.yml").write_text(file("alerts.yml"))
    names = [rule["alert"] for rule in yaml.safe_load(file("alerts.yml"))["groups"][0]["rules"]]
    fired = {name for _, alerts in ALERTS.values() for name, _ in alerts}
    assert fired == set(names)
    tests = [
        {
            "name": title,
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [
                {
                    "eval_time": "40m",
                    "alertname": name,
                    "exp_alerts": [{"exp_labels": labels} for alert, labels in alerts if alert == name],
                }
                for name in names
            ],
        }
        for title, (series, alerts) in ALERTS.items()
    ]
    cases = tmp_path / "cases.yml"
    cases.write_text(yaml.safe_dump({"rule_files": ["alerts.yml"], "tests": tests}))
    run(promtool, "test", "rules", cases)
