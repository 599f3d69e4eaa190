"""The log of the serving commands: lines for people, or JSON lines."""

from __future__ import annotations

import logging
import sys

from pgflow.dispatcher.logs import JsonFormatter

__all__ = ["log_to_stderr"]


def log_to_stderr(*, as_json: bool) -> logging.Logger:
    """Send PGFlow's log to stderr, and return its logger."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter()
        if as_json
        else logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
    )
    logger = logging.getLogger("pgflow")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger.getChild("dispatcher")
