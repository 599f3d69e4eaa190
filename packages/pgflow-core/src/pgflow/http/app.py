"""The routes: /healthz, /readyz, /metrics, /wake, and the completion API."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from pgflow.api.app import api_with
from pgflow.api.settings import ApiSettings
from pgflow.api.tasks import TaskVerbs
from pgflow.dispatcher import DispatcherStatus
from pgflow.http.database import DatabaseView
from pgflow.http.metrics import CONTENT_TYPE, exposition
from pgflow.http.readiness import dispatcher_parts
from pgflow.http.wake import wake_routes

__all__ = ["build_app"]


def build_app(
    database: DatabaseView,
    status: Callable[[], DispatcherStatus] | None = None,
    wake: Callable[[str | None], None] | None = None,
    *,
    verbs: TaskVerbs,
    settings: ApiSettings,
) -> ASGIApp:
    """Make the app; `status` and `wake` are of the dispatcher whose event loop serves it."""

    async def healthz(_: Request) -> Response:
        """Answer at all: the event loop turns."""
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> Response:
        parts = [*await database.parts(), *(() if status is None else dispatcher_parts(status()))]
        is_ready = all(part.ok for part in parts)
        body = {
            "ready": is_ready,
            "parts": {part.name: {"ok": part.ok, "reason": part.reason} for part in parts},
        }
        return JSONResponse(body, status_code=200 if is_ready else 503)

    async def metrics(_: Request) -> Response:
        load = await database.load()
        text = exposition(None if status is None else status(), load)
        return Response(text, media_type=CONTENT_TYPE)

    own = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    return api_with([*own, *wake_routes(settings, wake)], verbs, settings)
