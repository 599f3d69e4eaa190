"""PgBouncer with transaction pooling in front of a server, for tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

PROGRAM_VARIABLE = "PGFLOW_PGBOUNCER"

_SECONDS = 60


@dataclass(frozen=True)
class Pooler:
    """A running PgBouncer."""

    process: subprocess.Popen[bytes]
    port: int

    def dsn(self, direct: str) -> str:
        """The way through the pooler to the database of a DSN."""
        parts = conninfo_to_dict(direct)
        return make_conninfo(
            "", host="127.0.0.1", port=self.port, user=parts.get("user"), dbname=parts.get("dbname")
        )

    def stop(self) -> None:
        """End it, with the connections through it."""
        self.process.terminate()
        self.process.wait(_SECONDS)


def find_pgbouncer() -> str | None:
    """The program of PGFLOW_PGBOUNCER, else the one on the path or in /usr/sbin; None if there is none."""
    folders = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    return shutil.which(os.environ.get(PROGRAM_VARIABLE) or "pgbouncer", path=folders)


def start_pooler(program: str, direct: str, folder: Path) -> Pooler:
    """Start PgBouncer in front of the server of a DSN; all its users become the user of that DSN."""
    port = _free_port()
    parts = conninfo_to_dict(direct)
    server = " ".join(f"{key}={parts[key]}" for key in ("host", "port", "user", "password") if parts.get(key))
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        f"[databases]\n* = {server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        "auth_type = any\npool_mode = transaction\nunix_socket_dir =\ndefault_pool_size = 20\n"
        "max_client_conn = 500\nignore_startup_parameters = extra_float_digits\n"
    )
    command = [program, "-q", str(configuration)]
    if os.geteuid() == 0:  # it refuses to run as root
        folder.chmod(0o755)
        command[1:1] = ["-u", "nobody"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + _SECONDS
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"{program} did not start with {configuration}")
        time.sleep(0.02)
    return Pooler(process, port)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
