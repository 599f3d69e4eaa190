"""A dispatcher in a process of its own: `serve.py DSN LEASE GRACE SETTINGS`; logs JSON lines."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

from pgflow.dispatcher import Dispatcher, JsonFormatter
from pgflow.plugins import configure, load_plugins


def main() -> None:
    dsn, lease, grace, settings = sys.argv[1:]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    executors = [configure(load_plugins(), "local", "local", json.loads(settings))]
    folder = Path(__file__).parent
    dispatcher = Dispatcher(dsn, executors, lease=float(lease), grace=float(grace), pythonpath=[folder])
    asyncio.run(dispatcher.run(handle_signals=True))


main()
