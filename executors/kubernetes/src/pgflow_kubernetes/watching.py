"""Hears of Jobs that end, so that they are looked at soon; nothing is lost by what it misses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from logging import Logger
from typing import Any, Final

import urllib3.exceptions as wire

from pgflow_kubernetes.answers import REMOTE
from pgflow_kubernetes.cluster import BATCH, Cluster, Refused
from pgflow_kubernetes.naming import attempt_of, selector
from pgflow_kubernetes.objects import Object, condition

__all__ = ["Watcher"]

_LASTS: Final = 60
"""Seconds after which the server ends a watch, and another is made."""

_SILENCE: Final = 15.0
"""Seconds beyond, after which a watch is dead."""

_CONNECTS: Final = 3.0
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_PARTING: Final = 5.0
_ENDED: Final = ("Complete", "Failed")


class Watcher:
    """Watches the Jobs of an installation in a thread of its own."""

    def __init__(
        self, cluster: Cluster, installation: str, changed: Callable[[str], None], logger: Logger
    ) -> None:
        self._cluster = cluster
        self._selector = selector(installation)
        self._changed = changed
        self._log = logger
        self._loop = asyncio.get_running_loop()
        self._stopped = threading.Event()
        self._ended = asyncio.Event()
        self._lock = threading.Lock()
        self._response: Any = None
        self._thread = threading.Thread(target=self._run, name="pgflow-kubernetes-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch; nothing is waited for."""
        self._thread.start()

    async def stop(self) -> None:
        """End the watch, and its thread."""
        self._stopped.set()
        with self._lock:
            if self._response is not None:
                _hang_up(self._response)
        # A server that is mute holds it for longer: it is no part of what must end, and ends by itself.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PARTING):
                await self._ended.wait()
                self._thread.join()

    def _run(self) -> None:
        try:
            self._keep()
        finally:
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now
                self._loop.call_soon_threadsafe(self._ended.set)

    def _keep(self) -> None:
        wait = _FIRST_WAIT
        version: str | None = None
        while not self._stopped.is_set():
            try:
                version = self._follow(version or self._now())
                wait = _FIRST_WAIT
            except (*REMOTE, wire.HTTPError, OSError, ValueError, KeyError) as error:
                # Among them 410, too old to go on from: the next begins now, the lists tell what it misses.
                version = None
                if not self._stopped.is_set():
                    self._log.info("the watch of Jobs broke off, and is made again: %s", error)
                self._stopped.wait(wait)
                wait = min(wait * 2, _LONGEST_WAIT)

    def _now(self) -> str:
        """Return the version of the list of Jobs as it is."""
        response = self._open(limit=1)
        try:
            return str(json.loads(response.read())["metadata"]["resourceVersion"])
        finally:
            response.release_conn()

    def _follow(self, version: str) -> str:
        """Ring for each Job that ended; return from where to go on when the server ends the watch."""
        response = self._open(
            _request_timeout=(_CONNECTS, _LASTS + _SILENCE),
            watch=True,
            resource_version=version,
            allow_watch_bookmarks=True,
            timeout_seconds=_LASTS,
        )
        with self._lock:
            self._response = response
            if self._stopped.is_set():
                _hang_up(response)
        try:
            for event in _events(response):
                item = event["object"]
                if event["type"] == "ERROR":
                    raise Refused(
                        int(item.get("code") or 0), str(item.get("reason")), str(item.get("message")), None
                    )
                version = str(item["metadata"]["resourceVersion"])
                name = attempt_of(item)
                if name is not None and (event["type"] == "DELETED" or _has_ended(item)):
                    self._loop.call_soon_threadsafe(self._changed, name)
        finally:
            with self._lock:
                self._response = None
            response.close()
        return version

    def _open(self, **query: Any) -> Any:
        return self._cluster.open(
            BATCH, "list_namespaced_job", self._cluster.namespace, label_selector=self._selector, **query
        )


def _events(response: Any) -> Iterator[dict[str, Any]]:
    """Yield the events of a watch, one a line."""
    rest = b""
    for chunk in response.stream(amt=None, decode_content=True):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield json.loads(line)


def _has_ended(job: Object) -> bool:
    return any(condition(job, kind) is not None for kind in _ENDED)


def _hang_up(response: Any) -> None:
    """End a read that another thread waits in."""
    try:
        response.shutdown()
    except (OSError, ValueError, RuntimeError):
        response.close()
