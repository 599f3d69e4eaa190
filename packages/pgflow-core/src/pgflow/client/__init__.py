"""The clients: deploy flows, start runs, wait for results, look after runs."""

from __future__ import annotations

from pgflow.client.asynchronous import AsyncClient, AsyncRunHandle
from pgflow.client.models import Deployed, LogEntry, Run, RunDetail, RunStatus, StepDetail, StepStatus
from pgflow.client.requests import RunOptions, StartOptions
from pgflow.client.sync import Client, RunHandle

__all__ = [
    "AsyncClient",
    "AsyncRunHandle",
    "Client",
    "Deployed",
    "LogEntry",
    "Run",
    "RunDetail",
    "RunHandle",
    "RunOptions",
    "RunStatus",
    "StartOptions",
    "StepDetail",
    "StepStatus",
]
