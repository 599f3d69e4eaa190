"""Puts the parts of a worker process together."""

from __future__ import annotations

import faulthandler
import importlib
import logging
import os
from typing import TYPE_CHECKING

from pgflow.runtime.allowed import allow_list
from pgflow.runtime.logs import log_handler

from pgflow_local.slots import Slots
from pgflow_local.worker.capture import ContextCapture, FileCapture
from pgflow_local.worker.config import Config
from pgflow_local.worker.job import Finder
from pgflow_local.worker.link import Link

if TYPE_CHECKING:
    from pgflow_local.worker.concurrent import ConcurrentRunner
    from pgflow_local.worker.serial import SerialRunner

__all__ = ["serve"]

_ALWAYS = "pydantic.type_adapter"
"""The runtime imports it when it makes its first codec; here that would be in the first handler's time."""


def serve(config: Config) -> None:
    """Run tasks until the parent says stop; whatever else ends the parent ends this process."""
    faulthandler.enable()
    link = Link(config.socket, config.bell)
    slots = Slots(config.slots, config.concurrency)
    os.close(config.slots)
    refusal = allow_list(config.handlers, config.pythonpath, "the setting `handlers`")
    finder = Finder(refusal, slots)
    runner = _runner(config, link, slots, finder)
    logging.basicConfig(level=logging.INFO, handlers=[log_handler(config.log_format)])
    for module in (_ALWAYS, *config.preload):
        importlib.import_module(module)
    runner.run()
    link.close()  # from here on the parent waits no longer than its grace
    runner.close()


def _runner(config: Config, link: Link, slots: Slots, finder: Finder) -> SerialRunner | ConcurrentRunner:
    """Make the one that is needed: importing asyncio takes longer than starting Python."""
    if config.concurrency == 1:
        from pgflow_local.worker.serial import SerialRunner

        return SerialRunner(link, slots, finder, FileCapture(config.log_bytes), config.executor)
    from pgflow_local.worker.concurrent import ConcurrentRunner

    capture = ContextCapture(config.log_bytes)
    return ConcurrentRunner(
        link, slots, finder, capture, executor=config.executor, concurrency=config.concurrency
    )
