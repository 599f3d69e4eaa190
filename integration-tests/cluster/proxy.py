"""Stands between the executor and the API server: counts what is asked, and spoils it when told to."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

SECONDS = 60.0
Spoil = Any
"""For the next request that makes a Job: (status, body, headers), "drop", "twice", or an Event to await."""


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, list[str]]
    body: Any = field(repr=False)


class Proxy(ThreadingHTTPServer):
    """Speaks HTTP to the executor, and to the server of a kubeconfig what that speaks."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, kubeconfig: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        config = json.loads(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self.upstream = urlsplit(cluster["server"])
        self._tls: ssl.SSLContext | None = None
        if self.upstream.scheme == "https":
            authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
            self._tls = ssl.create_default_context(cadata=authority)
        self.asked: list[Asked] = []
        self.spoil: Spoil = None
        self._config = config
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def connect(self) -> http.client.HTTPConnection:
        """Connect to the server."""
        host, port, seconds = self.upstream.hostname, self.upstream.port, SECONDS * 10
        if self._tls is None:
            return http.client.HTTPConnection(host, port, timeout=seconds)
        return http.client.HTTPSConnection(host, port, context=self._tls, timeout=seconds)

    def kubeconfig(self, folder: Path) -> Path:
        """Write a kubeconfig that leads here."""
        config = json.loads(json.dumps(self._config))
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self.server_address[1]}"}
        path = folder / f"kubeconfig-{self.server_address[1]}"
        path.write_text(json.dumps(config))
        return path

    def count(self) -> Counter[str]:
        """Count the requests by method and kind."""
        return Counter(f"{each.method} {each.path.rpartition('/')[2]}" for each in self.asked)

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join(SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients leave when they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._pass_on(None)

    def do_POST(self) -> None:
        self._pass_on(self.rfile.read(int(self.headers.get("content-length") or 0)))

    do_PATCH = do_DELETE = do_POST  # noqa: N815

    def _pass_on(self, body: bytes | None) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        self.server.asked.append(Asked(self.command, parts.path, query, json.loads(body) if body else None))
        spoil = None
        if self.command == "POST" and parts.path.endswith("/jobs") and "dryRun" not in query:
            spoil, self.server.spoil = self.server.spoil, None
        if isinstance(spoil, tuple):
            self._answer(*spoil)
            return
        connection = self.server.connect()
        with contextlib.closing(connection):
            kept = {"authorization", "content-type", "accept", "user-agent"}
            headers = {name: value for name, value in self.headers.items() if name.lower() in kept}
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            if spoil is not None:
                answer = response.read()
                if spoil == "twice" and response.status == 201:
                    self._copy(connection, json.loads(answer), headers)
                if spoil == "drop":
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if isinstance(spoil, threading.Event):
                    spoil.wait(SECONDS)
                self._answer(response.status, answer, {})
                return
            self._relay(response)

    def _copy(self, connection: http.client.HTTPConnection, job: Any, headers: dict[str, str]) -> None:
        """Start a second pod of a Job, as Kubernetes now and then does."""
        pod = {"metadata": {"generateName": "copy-"}, "spec": job["spec"]["template"]["spec"]}
        path = f"/api/v1/namespaces/{job['metadata']['namespace']}/pods"
        connection.request("POST", path, json.dumps(pod), headers)
        connection.getresponse().read()

    def _relay(self, response: http.client.HTTPResponse) -> None:
        self.send_response(response.status)
        self.send_header("content-type", response.headers.get("content-type", "application/json"))
        for name in ("retry-after",):
            if name in response.headers:
                self.send_header(name, response.headers[name])
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        while part := response.read1(65536):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _answer(self, status: int, body: Any, headers: dict[str, str]) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def status(code: int, reason: str, message: str, **headers: str) -> tuple[int, Any, dict[str, str]]:
    """An error as the API server says it."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
    return (
        code,
        {**body, "message": message},
        {name.replace("_", "-"): value for name, value in headers.items()},
    )
