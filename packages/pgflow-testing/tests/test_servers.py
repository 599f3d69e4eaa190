"""Where a session gets its server from, when it is not the embedded one."""

import socket
import threading
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from pgflow.embedded import EmbeddedServer
from pgflow_testing import servers
from psycopg.conninfo import conninfo_to_dict


@pytest.fixture(autouse=True)
def _no_named_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(servers.DSN_VARIABLE, raising=False)


def test_a_named_server_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(servers.DSN_VARIABLE, "postgresql://me@example.org:1/start?sslmode=require")
    monkeypatch.setattr(servers, "docker_answers", lambda: True)
    server = servers.take_server(tmp_path / "session")
    assert conninfo_to_dict(server.dsn("other")) == {
        "user": "me", "host": "example.org", "port": "1", "dbname": "other", "sslmode": "require",
    }  # fmt: skip
    server.leave()
    assert not (tmp_path / "session").exists()


@pytest.mark.parametrize(
    "host", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "npipe:////./pipe/docker"]
)
def test_no_daemon_is_no_error(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    assert not servers.docker_answers()


def test_a_daemon_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(tmp_path / "docker.sock"))
        daemon.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
        assert servers.docker_answers()


def test_a_container_is_shared_and_stopped_by_who_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An embedded server stands in for the container: what counts is who starts it, and when it stops."""
    started: list[EmbeddedServer] = []

    def start(version: str) -> SimpleNamespace:
        server = EmbeddedServer.temporary()
        started.append(server)
        return SimpleNamespace(get_connection_url=lambda driver: server.dsn(), stop=server.stop)

    monkeypatch.setattr(servers, "docker_answers", lambda: True)
    monkeypatch.setattr(servers, "_start_container", start)
    session = tmp_path / "session"
    first, second = servers.take_server(session), servers.take_server(session)
    assert len(started) == 1
    assert first.dsn("postgres") == second.dsn("postgres")
    leaving = threading.Thread(target=first.leave)
    leaving.start()
    with psycopg.connect(second.dsn("postgres")) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    assert leaving.is_alive()
    second.leave()
    leaving.join(timeout=30)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(first.dsn("postgres"))


def test_an_image_that_cannot_be_had_is_asked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(servers, "docker_answers", lambda: True)
    monkeypatch.setattr(servers, "_start_container", asked.append)
    first, second = servers.take_server(tmp_path / "session"), servers.take_server(tmp_path / "session")
    assert (first.origin, second.origin, len(asked)) == ("embedded", "embedded", 1)
    first.leave()
    second.leave()
    assert not (tmp_path / "session").exists()


def test_the_version_of_the_embedded_server_can_be_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "docker_answers", lambda: False)
    monkeypatch.setenv(servers.VERSION_VARIABLE, "16")
    server = servers.take_server(tmp_path / "session")
    with psycopg.connect(server.dsn("postgres")) as connection:
        assert connection.info.server_version // 10000 == 16
    server.leave()
