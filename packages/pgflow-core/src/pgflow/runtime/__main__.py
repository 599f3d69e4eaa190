"""Runs the attempt of one envelope: `python -m pgflow.runtime`.

Exit code 0 when it was reported or not wanted, 1 when no report could be delivered, 2 for an envelope or a
setting that cannot be used.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from pathlib import Path
from queue import SimpleQueue

from pgflow.envelope import Envelope
from pgflow.errors import ConfigError, EnvelopeInvalid
from pgflow.runtime.logs import log_handler
from pgflow.runtime.outcome import Outcome
from pgflow.runtime.remote import Event, Inbox, run_envelope

_USAGE = (
    "usage: python -m pgflow.runtime [--envelope FILE]   (or PGFLOW_ENVELOPE, PGFLOW_ENVELOPE_FILE, stdin)"
)
#: Handlers do not see these in their environment.
_SECRET = ("PGFLOW_ENVELOPE", "PGFLOW_ATTEMPT_TOKEN", "PGFLOW_DSN")


def main(arguments: list[str]) -> Outcome:
    """Read the envelope and run it."""
    text = _envelope_text(arguments)
    envelope = Envelope.parse(text, attempt_token=os.environ.get("PGFLOW_ATTEMPT_TOKEN"))
    dsn = os.environ.get("PGFLOW_DSN")
    for name in _SECRET:
        os.environ.pop(name, None)
    logging.basicConfig(
        level=logging.INFO, handlers=[log_handler(os.environ.get("PGFLOW_LOG_FORMAT", "text"))]
    )
    inbox: Inbox = SimpleQueue()

    def stop(_number: int, _frame: object) -> None:
        inbox.put(Event.STOP)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return run_envelope(
        envelope,
        instance_id=os.environ.get("PGFLOW_INSTANCE") or str(uuid.uuid4()),
        dsn=dsn,
        handlers=_patterns(os.environ.get("PGFLOW_HANDLERS")),
        inbox=inbox,
    )


def _envelope_text(arguments: list[str]) -> str:
    match arguments:
        case []:
            given = os.environ.get("PGFLOW_ENVELOPE")
            if given:
                return given
            file = os.environ.get("PGFLOW_ENVELOPE_FILE")
        case ["--envelope", file]:
            pass
        case _:
            raise ConfigError(_USAGE)
    try:
        if file:
            return Path(file).read_text(encoding="utf-8")
        if sys.stdin is None or sys.stdin.isatty():
            raise ConfigError(f"there is no envelope\n{_USAGE}")
        return sys.stdin.buffer.read().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise EnvelopeInvalid(f"the envelope cannot be read: {error}") from None


def _patterns(text: str | None) -> list[str] | None:
    return None if text is None else [pattern.strip() for pattern in text.split(",") if pattern.strip()]


if __name__ == "__main__":
    try:
        done = main(sys.argv[1:])
    except (EnvelopeInvalid, ConfigError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"{done.kind}: {done.reason}", file=sys.stderr)
    if done.is_running:
        # Only the end of the process ends a thread; its exit handlers would wait for it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(done.exit_code)
    sys.exit(done.exit_code)
