"""What the parent tells a worker process on its command line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["Config"]


@dataclass(frozen=True, slots=True)
class Config:
    """The last argument of the command line, written by `pgflow_local.spawn`."""

    socket: int
    bell: int
    slots: int
    tripwire: int
    concurrency: int
    log_bytes: int
    log_format: str
    executor: str
    handlers: tuple[str, ...] | None
    preload: tuple[str, ...]
    pythonpath: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Config:
        """Read the argument."""
        values: dict[str, Any] = json.loads(text)
        socket, bell, slots, tripwire = values["files"]
        handlers = values["handlers"]
        return cls(
            socket=socket,
            bell=bell,
            slots=slots,
            tripwire=tripwire,
            concurrency=values["concurrency"],
            log_bytes=values["log_bytes"],
            log_format=values["log_format"],
            executor=values["executor"],
            handlers=None if handlers is None else tuple(handlers),
            preload=tuple(values["preload"]),
            pythonpath=tuple(values["pythonpath"]),
        )
