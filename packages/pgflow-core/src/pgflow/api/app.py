"""Puts the routes together into an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from pgflow.api.openapi import document
from pgflow.api.problems import Problem, answer_http_error, answer_problem
from pgflow.api.settings import ApiSettings
from pgflow.api.tasks import TaskVerbs
from pgflow.errors import PgflowError

__all__ = ["api_with", "completion_api"]

_PREFIX = "/v1/tasks/"

Verb = Callable[[Request], Awaitable[Response]]


def completion_api(dsn: str, settings: ApiSettings | None = None) -> ASGIApp:
    """Return the completion API as an application of its own; any ASGI server runs it."""
    chosen = settings or ApiSettings()
    verbs = TaskVerbs(dsn, chosen)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with verbs.running():
            yield

    return api_with([], verbs, chosen, lifespan)


def api_with(
    routes: Sequence[BaseRoute],
    verbs: TaskVerbs,
    settings: ApiSettings,
    lifespan: Lifespan[Starlette] | None = None,
) -> ASGIApp:
    """Return an application of the verbs, their OpenAPI document, and other routes."""
    described = document(version("pgflow-core"))

    async def describe(_: Request) -> Response:
        return JSONResponse(described)

    others = Starlette(
        routes=[*routes, Route("/openapi.json", describe, methods=["GET"])],
        exception_handlers={HTTPException: answer_http_error},
        lifespan=lifespan,
    )
    served = (verbs.claim, verbs.start, verbs.heartbeat, verbs.complete, verbs.fail, verbs.release)
    tasks = _cross_origin(_Verbs({_PREFIX + verb.__name__: verb for verb in served}), settings)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        is_verb = scope["type"] == "http" and scope["path"].startswith(_PREFIX)
        await (tasks if is_verb else others)(scope, receive, send)

    return application


class _Verbs:
    """Looks a verb up by its path: a router and its layers would take as long as the verb itself."""

    def __init__(self, verbs: dict[str, Verb]) -> None:
        self._verbs = verbs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            verb = self._verbs.get(scope["path"])
            if verb is None:
                raise HTTPException(404)
            if scope["method"] != "POST":
                raise HTTPException(405, headers={"Allow": "POST"})
            response = await verb(request)
        except (Problem, PgflowError) as error:
            response = answer_problem(error)
        except HTTPException as error:
            response = await answer_http_error(request, error)
        await response(scope, receive, send)


def _cross_origin(app: ASGIApp, settings: ApiSettings) -> ASGIApp:
    """Let pages of the listed origins call the verbs; where none is listed, browsers let no page."""
    if not settings.cors_origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=settings.cors_origins,
        allow_methods=["POST"],
        allow_headers=["Authorization", "Content-Type"],
        expose_headers=["Retry-After"],
    )
