"""Functions that know nothing of PGFlow."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def echo(event, context):
    """Return what came, and what the context says."""
    print("echoing")
    left = context.get_remaining_time_in_millis()
    return {"event": event, "pid": os.getpid(), "id": context.aws_request_id, "left": left}


def fail(event, context):
    """Raise."""
    raise ValueError(event["why"])


def once_failing(event, context):
    """Fail the first time."""
    mark = Path(event["mark"])
    if not mark.exists():
        mark.touch()
        raise ValueError("the first time")


def hold(event, context):
    """Wait for a file."""
    while not Path(event["go"]).exists():
        time.sleep(0.01)


def modules(event, context):
    """Try to import what only a workstation has."""
    try:
        import pgflow
    except ImportError as error:
        return str(error)
    return pgflow.__file__


def path(event, context):
    """Say where modules are looked for."""
    return sys.path
