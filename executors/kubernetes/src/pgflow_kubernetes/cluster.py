"""Calls of the API server: bounded in time, never repeated, plain JSON in and out.

The official client is synchronous, so calls are made in threads of our own.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Self, TypeVar, cast

import urllib3.exceptions as wire

from pgflow_kubernetes.connection import CONNECTIONS, connect
from pgflow_kubernetes.objects import Object, text
from pgflow_kubernetes.settings import KubernetesSettings

T = TypeVar("T")

__all__ = ["BATCH", "CORE", "Cluster", "NoAnswer", "NotSent", "Refused"]

BATCH: Final = "BatchV1Api"
CORE: Final = "CoreV1Api"

_MOST_OF_AN_ANSWER: Final = 64 * 1024 * 1024


class NotSent(Exception):
    """The API server was not reached: nothing has happened."""


class NoAnswer(Exception):
    """Nobody can say whether the call took effect."""


class Refused(Exception):
    """The API server answered with an error: nothing has happened, unless it is one of its own (5xx)."""

    def __init__(self, status: int, reason: str, message: str, retry_after: str | None) -> None:
        super().__init__(f"HTTP {status} {reason}: {message}" if reason else f"HTTP {status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    @classmethod
    def of(cls, error: Any) -> Self:
        """Read the client's ApiException, of whatever version."""
        try:
            body: object = json.loads(error.body or "{}")
        except ValueError:
            body = None
        told = cast("Object", body) if isinstance(body, dict) else dict[str, Any]()
        headers = {str(name).lower(): str(value) for name, value in dict(error.headers or {}).items()}
        message = text(told, "message") or str(error.reason)
        return cls(error.status, text(told, "reason"), message[:1000], headers.get("retry-after"))


class Cluster:
    """One cluster, as one instance of the executor sees it."""

    def __init__(self, settings: KubernetesSettings) -> None:
        self._settings = settings
        self._client: Any = None
        self._timeout = (settings.connect_timeout, settings.response_timeout)
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="pgflow-kubernetes")
        self._errors: Any = importlib.import_module("kubernetes.client.exceptions")
        self.namespace = settings.namespace

    async def connect(self) -> None:
        """Read the credentials; raises ConfigError."""
        await self._run(self._connected)

    async def call(self, api: str, operation: str, *args: Any, **query: Any) -> Any:
        """Make one call, by the official client's name for it; return the JSON of its answer."""

        def work() -> Any:
            answer = _read(self.open(api, operation, *args, **query))
            try:
                return json.loads(answer)
            except ValueError:
                raise NoAnswer("the answer is no JSON: is this an API server?") from None

        return await self._run(work)

    async def text(self, api: str, operation: str, *args: Any, **query: Any) -> str:
        """Make one call that answers text."""

        def work() -> str:
            return _read(self.open(api, operation, *args, **query)).decode(errors="replace")

        return await self._run(work)

    async def _run(self, work: Callable[[], T]) -> T:
        # Time-outs of the client are of single reads: a server that drips must not hold a launch.
        limit = self._settings.connect_timeout + 2 * self._settings.response_timeout
        try:
            async with asyncio.timeout(limit):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError:
            raise NoAnswer(f"no answer within {limit:g} s") from None

    def open(self, api: str, operation: str, *args: Any, **query: Any) -> Any:
        """Make a call from a thread; return the response, whose body is still to be read."""
        query.setdefault("_request_timeout", self._timeout)
        client = self._connected()
        try:
            return self._send(client, api, operation, args, query)
        except Refused as refused:
            if refused.status != 401:
                raise
        # Credentials expire and are renewed in their files: look again, once, at what was turned away unread.
        self.forget(client)
        return self._send(self._connected(), api, operation, args, query)

    def forget(self, client: Any) -> None:
        """Have the next call read the credentials again."""
        with self._lock:
            if self._client is client:
                self._client = None
        client.close()

    def close(self) -> None:
        """Close the connections and wait for calls under way, which are bounded."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._client is not None:
            self.forget(self._client)

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = connect(self._settings)
            return self._client

    def _send(
        self, client: Any, api: str, operation: str, args: Sequence[Any], query: Mapping[str, Any]
    ) -> Any:
        module: Any = importlib.import_module("kubernetes.client")
        call = getattr(getattr(module, api)(client), operation)
        try:
            return call(*args, **query, _preload_content=False)
        except self._errors.ApiException as error:
            if error.status:
                raise Refused.of(error) from None
            raise NotSent(f"no connection to the API server: {error.reason}") from None
        except (wire.NewConnectionError, wire.ConnectTimeoutError, wire.ProxyError, wire.SSLError) as error:
            raise NotSent(f"no connection to the API server: {_name(error)}") from None
        except (wire.HTTPError, OSError) as error:
            raise NoAnswer(f"no answer of the API server: {_name(error)}") from None


def _read(response: Any) -> bytes:
    try:
        answer: bytes = response.read(_MOST_OF_AN_ANSWER)
    except (wire.HTTPError, OSError) as error:
        raise NoAnswer(f"half an answer of the API server: {_name(error)}") from None
    finally:
        response.release_conn()
    return answer


def _name(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()[:300]
