"""The dispatcher service: takes ready tasks from the database and has executors run them."""

from __future__ import annotations

from pgflow.dispatcher.problems import Problem
from pgflow.dispatcher.service import Dispatcher
from pgflow.dispatcher.status import DispatcherState, DispatcherStatus, LaneStatus
from pgflow.logs import JsonFormatter

__all__ = [
    "Dispatcher",
    "DispatcherState",
    "DispatcherStatus",
    "JsonFormatter",
    "LaneStatus",
    "Problem",
]
