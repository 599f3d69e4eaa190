"""Imports what a command needs without looking for garbage in it."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from types import ModuleType

__all__ = ["import_for_good"]


def import_for_good(name: str) -> ModuleType:
    """Import a module that lasts as long as the process.

    Nothing that an import makes is garbage, but the collector looks at all of it again and again, and once
    more at exit: that was a quarter of the processor time of a short command.
    """
    if name in sys.modules:
        return sys.modules[name]
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
