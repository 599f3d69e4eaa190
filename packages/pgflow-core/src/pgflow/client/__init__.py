"""The clients: deploy flows, start runs, wait for results, look after runs."""

from __future__ import annotations

from pgflow.client.asynchronous import AsyncClient, AsyncRunHandle
from pgflow.client.models import (
    Deployed,
    LogEntry,
    Run,
    RunDetail,
    RunPage,
    RunProgress,
    RunStatus,
    StepDetail,
    StepProgress,
    StepStatus,
)
from pgflow.client.requests import RunFilters, RunOptions, StartOptions
from pgflow.client.sync import Client, RunHandle

__all__ = [
    "AsyncClient",
    "AsyncRunHandle",
    "Client",
    "Deployed",
    "LogEntry",
    "Run",
    "RunDetail",
    "RunFilters",
    "RunHandle",
    "RunOptions",
    "RunPage",
    "RunProgress",
    "RunStatus",
    "StartOptions",
    "StepDetail",
    "StepProgress",
    "StepStatus",
]
