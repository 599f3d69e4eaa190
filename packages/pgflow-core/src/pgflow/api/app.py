"""Puts the routes together into an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pgflow.api.openapi import document
from pgflow.api.problems import Problem, answer_http_error, answer_problem
from pgflow.api.settings import ApiSettings
from pgflow.api.tasks import TaskVerbs
from pgflow.errors import PgflowError

__all__ = ["EXCEPTION_HANDLERS", "completion_api", "task_routes"]

EXCEPTION_HANDLERS = {
    Problem: answer_problem,
    PgflowError: answer_problem,
    HTTPException: answer_http_error,
}
"""For the application that the routes are part of."""


def completion_api(dsn: str, settings: ApiSettings | None = None) -> Starlette:
    """Return the completion API as an application of its own; any ASGI server runs it."""
    verbs = TaskVerbs(dsn, settings or ApiSettings())

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with verbs.running():
            yield

    return Starlette(routes=task_routes(verbs), exception_handlers=EXCEPTION_HANDLERS, lifespan=lifespan)


def task_routes(verbs: TaskVerbs) -> list[BaseRoute]:
    """Return the routes of the verbs and of their OpenAPI document."""
    described = document(version("pgflow-core"))

    async def describe(_: Request) -> Response:
        return JSONResponse(described)

    served = (verbs.start, verbs.heartbeat, verbs.complete, verbs.fail, verbs.release)
    routes = [Route(f"/v1/tasks/{verb.__name__}", verb, methods=["POST"]) for verb in served]
    return [*routes, Route("/openapi.json", describe, methods=["GET"])]
