"""Tells the engine that an attempt lives, from a thread of its own: a handler that computes stays alive."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal

from pgflow.progress import progress_json
from pgflow.reporters.contract import NotWanted, Refused, Unavailable

__all__ = ["Heart", "Verdict"]

Verdict = Literal["ok", "cancel", "stale"]

_LONGEST_INTERVAL: Final = 10.0
"""Seconds within which an attempt learns that it was cancelled, whatever its heartbeat_timeout."""
_BETWEEN: Final = 1.0
"""Least seconds between two heartbeats that progress asks for."""
_PAUSE: Final = 0.5
"""Before a heartbeat that nobody answered is sent again; never longer than the interval."""

_logger = logging.getLogger("pgflow.runtime")


class Heart:
    """Beats until it is stopped or the attempt is over; implements `pgflow.runtime.TaskHost`."""

    def __init__(
        self,
        beat: Callable[[Mapping[str, str], float], Mapping[str, str]],
        heartbeat_timeout: float | None,
        ended: Callable[[Verdict], None],
    ) -> None:
        """Take how to send one heartbeat (fields, seconds), and whom to tell that the attempt is over."""
        self._send = beat
        self._timeout = heartbeat_timeout
        self._ended = ended
        self._interval = min(_LONGEST_INTERVAL, (heartbeat_timeout or _LONGEST_INTERVAL * 3) / 3)
        self._verdict: Verdict = "ok"
        self._progress: str | None = None
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._acknowledged = time.monotonic()
        self.is_silent = False
        """Whether nobody answered for as long as the lease."""

    def start(self, acknowledged: float) -> None:
        """Begin; `acknowledged` is when the engine last heard of the attempt."""
        self._acknowledged = acknowledged
        threading.Thread(target=self._run, name="pgflow-heart", daemon=True).start()

    def stop(self) -> None:
        """Send no more heartbeats; one that is under way is not waited for."""
        self._stopped.set()
        self._wanted.set()

    def heartbeat(self) -> Verdict:
        """Say what the last answer was; the heartbeats themselves need no help."""
        return self._verdict

    def progress(self, done: float, total: float | None, message: str | None) -> None:
        """Have the next heartbeat carry it, and send that soon."""
        said = progress_json(done, total, message)
        if said is not None:
            self._progress = said
            self._wanted.set()

    def _run(self) -> None:
        sent = time.monotonic()
        pause = self._interval
        while not self._stopped.is_set():
            self._wanted.wait(random.uniform(0.9, 1.0) * pause)
            self._stopped.wait(sent + min(_BETWEEN, self._interval) - time.monotonic())
            if self._stopped.is_set():
                return
            self._wanted.clear()
            sent = time.monotonic()
            pause = self._interval if self._beat(sent) else min(_PAUSE, self._interval)
            if self._verdict != "ok":
                self._ended(self._verdict)
                return

    def _beat(self, now: float) -> bool:
        """Send one and learn the verdict; returns whether anybody answered."""
        said, self._progress = self._progress, None
        fields = {} if said is None else {"progress": said}
        try:
            status = json.loads(self._send(fields, max(1.0, 2 * self._interval)).get("status", "null"))
        except NotWanted:
            self._verdict = "stale"
            return True
        except Unavailable as error:
            _logger.info("no answer to a heartbeat: %s", error)
        except Refused as error:
            _logger.warning("a heartbeat was refused: %s", error)
        else:
            self._acknowledged = now
            if status == "cancel":
                self._verdict = "cancel"
            return True
        self._progress = self._progress or said
        # The lease has run out, so another attempt may be under way: stop what has effects.
        if self._timeout is not None and time.monotonic() - self._acknowledged >= self._timeout:
            self.is_silent = True
            self._verdict = "stale"
        return False
