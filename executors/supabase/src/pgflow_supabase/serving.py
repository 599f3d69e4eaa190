"""Serves a folder of edge functions under Deno, for development: `pgflow edge serve FOLDER`."""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = ["DenoMissing", "Limits", "Serving", "find_deno"]

_GATEWAY: Final = Path(__file__).parent / "edge" / "gateway.ts"
_PASSED_ON: Final = ("DENO_DIR", "HOME", "LANG", "PATH", "TMPDIR", "XDG_CACHE_HOME")


class DenoMissing(Exception):
    """There is no Deno to run functions with."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a function may use, as on the hosted service's free plan."""

    wall_clock: float = 150.0
    """Seconds that a process may live; at half of them it gets no new requests."""
    idle: float = 150.0
    """Seconds that a request may go unanswered."""
    memory_mb: int = 256
    last_words: float = 1.0
    """Seconds that a process may go on after it was told to end."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What to serve, and where."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = 54321
    key: str | None = field(default=None, repr=False)
    """What `apikey` (or the bearer) must be; None lets everybody pass, as `verify_jwt = false` does."""
    env_file: Path | None = None
    """Variables for the functions, a `NAME=value` a line; else `.env` in the folder, if there is one."""
    signing_secret: str | None = field(default=None, repr=False)
    """PGFLOW_SIGNING_SECRET of the functions, unless their variables say it."""
    limits: Limits = field(default_factory=Limits)

    def command(self) -> list[str]:
        """Return the command that serves; raises DenoMissing."""
        rights = ["--no-prompt", "--allow-net", "--allow-read", "--allow-run", "--allow-env"]
        return [find_deno(), "run", "--quiet", "--no-config", "--no-lock", *rights, str(_GATEWAY)]

    def environment(self) -> dict[str, str]:
        """Return the environment of the command; raises OSError for a folder or file that is not there."""
        if not self.folder.is_dir():
            raise NotADirectoryError(f"{self.folder} is no folder of functions")
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        secret = {} if self.signing_secret is None else {"PGFLOW_SIGNING_SECRET": self.signing_secret}
        settings: dict[str, Any] = {
            "folder": str(self.folder.resolve()),
            "host": self.host,
            "port": self.port,
            "key": self.key,
            "environment": {**kept, **secret, **self._variables()},
            "limits": {
                "wallClock": self.limits.wall_clock,
                "idle": self.limits.idle,
                "memoryMb": self.limits.memory_mb,
                "lastWords": self.limits.last_words,
            },
        }
        # Not as an argument: every user of the machine may read those.
        return {**kept, "PGFLOW_EDGE_SETTINGS": json.dumps(settings)}

    def _variables(self) -> dict[str, str]:
        file = self.env_file or self.folder / ".env"
        if self.env_file is None and not file.exists():
            return {}
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
        return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def find_deno() -> str:
    """Return the path of Deno: beside this Python (`pip install deno`), else on the PATH."""
    beside = os.pathsep.join([sysconfig.get_path("scripts"), str(Path(sys.executable).parent)])
    found = shutil.which("deno", path=beside) or shutil.which("deno")
    if found is None:
        raise DenoMissing(
            "Deno was not found beside this Python or on the PATH; https://deno.com has it, too"
        )
    return found
