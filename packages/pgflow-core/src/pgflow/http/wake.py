"""POST /wake: who cannot NOTIFY tells a dispatcher that tasks are ready, as pg_net does."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pgflow.api.problems import Problem, answer_problem
from pgflow.api.requests import read_body, read_key
from pgflow.api.settings import ApiSettings

__all__ = ["wake_routes"]


class WakeRequest(BaseModel):
    """Which executor has ready tasks; none: any may have."""

    executor: str | None = None


def wake_routes(settings: ApiSettings, wake: Callable[[str | None], None] | None) -> list[Route]:
    """Return the route, where there is a dispatcher to wake and a secret to ask for."""
    if wake is None or settings.wake_secret is None:
        return []
    secret = settings.wake_secret.get_secret_value().encode()

    async def answer(request: Request) -> Response:
        try:
            if not hmac.compare_digest(read_key(request, "wake_secret").encode(), secret):
                raise Problem("KEY_REFUSED", "that is not the wake_secret of this dispatcher")
            body = await read_body(request, settings)
            wake(body.read(WakeRequest).executor)
        except Problem as problem:
            return answer_problem(problem)
        return Response(status_code=204)

    return [Route("/wake", answer, methods=["POST"])]
