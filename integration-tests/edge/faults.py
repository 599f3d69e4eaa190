"""A proxy before the gateway of functions that spoils requests as a test commands."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from pgflow_testing.executor_suite import FaultBackend

SECONDS = 60


class FaultyGateway(FaultBackend):
    """Passes requests on to a gateway, but for those it was told to spoil."""

    def __init__(self, gateway: str, marks) -> None:
        self.marks = marks
        self._gateway = urlsplit(gateway).netloc
        self._faults: list[tuple[str, float]] = []
        self._arrived: Counter[str] = Counter()
        self._seen: list[str] = []
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(SECONDS)

    def drop_response(self):
        self._faults.append(("drop", 0))

    def delay(self, seconds):
        self._faults.append(("delay", seconds))

    def throttle(self, retry_after):
        self._faults.append(("throttle", retry_after))

    def refuse(self):
        self._faults.append(("refuse", 0))

    def deny(self):
        self._faults.append(("deny", 0))

    def duplicate_delivery(self):
        self._faults.append(("duplicate", 0))

    def requests(self, attempt):
        return self._arrived[attempt.external_id]

    def executions(self, attempt):
        return len(self.marks.started(attempt))

    def exposed(self):
        return "\n".join(self._seen)

    def answer(self, path, headers, body):
        """Return status, headers and body of an answer; None: the connection breaks."""
        attempt = headers["x-pgflow-attempt"]
        self._arrived[attempt] += 1
        self._seen.append(f"{path} {attempt}")
        fault, number = self._faults.pop(0) if self._faults else ("", 0)
        if fault == "throttle":
            return 429, {"retry-after": str(int(number))}, b"{}"
        if fault == "refuse":
            return 422, {}, b'{"code": "ENVELOPE_INVALID"}'
        if fault == "deny":
            return 401, {}, b'{"code": "SIGNATURE_WRONG"}'
        for _ in range(2 if fault == "duplicate" else 1):
            answer = self._pass_on(path, headers, body)
        if fault == "delay":
            self._over.wait(number)
        return None if fault in {"drop", "delay"} else answer

    def _pass_on(self, path, headers, body):
        connection = http.client.HTTPConnection(self._gateway, timeout=SECONDS)
        try:
            connection.request("POST", path, body, dict(headers))
            got = connection.getresponse()
            return got.status, {"content-type": "application/json"}, got.read()
        finally:
            connection.close()

    def _handler(backend):  # noqa: N805  the handler's own self is another
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                answer = backend.answer(self.path, self.headers, body)
                self.close_connection = True
                if answer is None:
                    return
                status, headers, text = answer
                self.send_response(status)
                for name, value in {**headers, "content-length": len(text), "connection": "close"}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                """Say nothing."""

        return Handler
