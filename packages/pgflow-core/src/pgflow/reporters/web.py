"""POST of JSON: proxies and certificates of the environment, no redirects, no retries of its own."""

from __future__ import annotations

import json
import math
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import urllib3

from pgflow.jsonb import is_object
from pgflow.reporters.contract import Refused, Unavailable

__all__ = ["Answer", "Web"]

_CONNECTIONS: Final = 2  # the task's own, and that of its heartbeats
_CONNECT_SECONDS: Final = 5.0
_BUSY: Final = {408, 425, 429}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, if it is neither busy nor broken."""

    status: int
    text: str

    def problem(self) -> tuple[str, str]:
        """Return the (code, message) of a refusal, as far as its body has them."""
        try:
            body: Any = json.loads(self.text)
        except ValueError:
            body = None
        found = body if is_object(body) else {}
        return str(found.get("code", "")), str(found.get("message", "")) or f"HTTP status {self.status}"


class Web:
    """A pool of connections to one server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._host = urlsplit(url).netloc
        self._pool = _pool(url)

    def post(self, path: str, body: str, headers: Mapping[str, str], timeout: float) -> Answer:
        """Send a body; raises Unavailable if there is no answer, or one that asks to try again."""
        limits = urllib3.Timeout(total=timeout, connect=min(timeout, _CONNECT_SECONDS))
        try:
            response = self._pool.request(
                "POST",
                self._url + path,
                body=body.encode(),
                headers={"Content-Type": "application/json", **headers},
                timeout=limits,
                retries=False,
                redirect=False,
            )
        # urllib3 lets some errors of the standard library through, for example of a name's encoding.
        except (urllib3.exceptions.HTTPError, OSError, UnicodeError) as error:
            raise Unavailable(f"{self._host} does not answer: {type(error).__name__}") from None
        if response.status >= 500 or response.status in _BUSY:
            after = _seconds(response.headers.get("Retry-After"))
            raise Unavailable(f"{self._host} answers {response.status}", after)
        if 300 <= response.status < 400:
            where = f"{self._host} answers {response.status}, a redirect, which no report follows"
            raise Refused("setup", f"{where}: give the address it leads to")
        return Answer(response.status, response.data.decode("utf-8", "replace"))

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()


def _pool(url: str) -> urllib3.PoolManager:
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if not proxy or urllib.request.proxy_bypass(parts.netloc):
        return urllib3.PoolManager(maxsize=_CONNECTIONS)
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    auth = urlsplit(proxy)
    headers = None
    if auth.username:
        login = unquote(f"{auth.username}:{auth.password or ''}")
        headers = urllib3.make_headers(proxy_basic_auth=login)
    return urllib3.ProxyManager(proxy, maxsize=_CONNECTIONS, proxy_headers=headers)


def _seconds(text: str | None) -> float | None:
    """Read a Retry-After in seconds; a date is not worth trusting two clocks."""
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None
