"""Puts the routes together into an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

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
    chosen = settings or ApiSettings()
    verbs = TaskVerbs(dsn, chosen)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with verbs.running():
            yield

    routes = task_routes(verbs, chosen)
    return Starlette(routes=routes, exception_handlers=EXCEPTION_HANDLERS, lifespan=lifespan)


def task_routes(verbs: TaskVerbs, settings: ApiSettings) -> list[BaseRoute]:
    """Return the routes of the verbs and of their OpenAPI document."""
    described = document(version("pgflow-core"))

    async def describe(_: Request) -> Response:
        return JSONResponse(described)

    served = (verbs.claim, verbs.start, verbs.heartbeat, verbs.complete, verbs.fail, verbs.release)
    routes = [Route(f"/{verb.__name__}", verb, methods=["POST"]) for verb in served]
    return [
        Mount("/v1/tasks", routes=routes, middleware=_cross_origin(settings)),
        Route("/openapi.json", describe, methods=["GET"]),
    ]


def _cross_origin(settings: ApiSettings) -> list[Middleware]:
    """Let pages of the listed origins call the verbs; where none is listed, browsers let no page."""
    if not settings.cors_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["POST"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Retry-After"],
        )
    ]
