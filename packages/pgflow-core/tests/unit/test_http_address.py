"""Where HTTP is served: how an address is read, and what is said when it cannot be had."""

import importlib.util
import socket

import pytest
from click.testing import CliRunner
from pgflow.cli.app import app
from pgflow.errors import ConfigError
from pgflow.http.address import bound_socket, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_an_address_is_host_and_port(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["8080", ":8080", "localhost:", "localhost:x", "::1:80", "a:70000", "[]:80"])
def test_what_is_no_address_is_refused_with_the_form_of_one(text):
    with pytest.raises(ConfigError, match="is no address to listen on: write HOST:PORT") as caught:
        parse_address(text)
    assert repr(text) in str(caught.value)


def test_no_part_of_an_answer_waits_for_an_acknowledgement():
    with bound_socket("127.0.0.1:0") as listening:
        with socket.create_connection(listening.getsockname()):
            connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("command", ["dispatch", "serve"])
def test_a_taken_port_is_named_with_what_to_do(command, taken, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, [command, "--http", taken])
    assert shown.exit_code == 2
    assert f"cannot listen on {taken}: the port is taken; stop what listens there" in shown.stderr


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(ConfigError, match="no interface of this machine has that address"):
        bound_socket("192.0.2.1:0")


def test_a_name_that_leads_nowhere_is_refused():
    with pytest.raises(ConfigError, match=r"'nowhere\.invalid' is no address"):
        bound_socket("nowhere.invalid:0")


def test_without_the_extra_the_error_says_what_to_install(monkeypatch, tmp_path):
    find = importlib.util.find_spec
    monkeypatch.setattr("pgflow.cli._http.find_spec", lambda name: None if name == "uvicorn" else find(name))
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, ["serve"])
    assert shown.exit_code == 2
    assert "serving HTTP needs packages that are not installed: uvicorn" in shown.stderr
    assert "pip install 'pgflow-core[http]'" in shown.stderr
