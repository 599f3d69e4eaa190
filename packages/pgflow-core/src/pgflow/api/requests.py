"""Read a request: its bearer, its body within the caps, and the fields the verb asks for."""

from __future__ import annotations

import asyncio
from typing import NoReturn, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request

from pgflow.api.problems import Problem
from pgflow.api.settings import ApiSettings
from pgflow.jsontext import DEEPEST, is_too_deep, load

__all__ = ["Body", "read_body", "read_key", "read_token"]

M = TypeVar("M", bound=BaseModel)


class Body:
    """A JSON object as it was sent, and as it was understood."""

    def __init__(self, text: str, value: object) -> None:
        self.text = text
        self._value = value

    def read(self, model: type[M]) -> M:
        """Check the fields; raises a Problem that names the first wrong one."""
        try:
            return model.model_validate(self._value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the body"
            raise Problem("BODY_INVALID", f"{where}: {first['msg']}") from None


def read_token(request: Request) -> UUID:
    """Take the attempt token from the Authorization header, the only place it may stand in."""
    try:
        return UUID(_bearer(request, "the attempt token"))
    except ValueError:
        raise Problem("TOKEN_MISSING", "the bearer is not an attempt token") from None


def read_key(request: Request, what: str = "a worker key") -> str:
    """Take a key from the Authorization header, the only place it may stand in."""
    return _bearer(request, what)


def _bearer(request: Request, what: str) -> str:
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not bearer.strip():
        raise Problem("TOKEN_MISSING", f"send {what}: Authorization: Bearer <...>")
    return bearer.strip()


async def read_body(request: Request, settings: ApiSettings) -> Body:
    """Read a JSON object; stops at the first byte beyond the cap, and when the client is too slow."""
    try:
        async with asyncio.timeout(settings.body_timeout):
            raw = await _bytes(request, settings.max_body)
    except TimeoutError:
        raise Problem("BODY_TIMEOUT", f"the body did not arrive in {settings.body_timeout:g} s") from None
    except ClientDisconnect:
        raise Problem("BODY_INVALID", "the client went away") from None
    try:
        text = raw.decode()
        if is_too_deep(text):
            raise Problem("BODY_INVALID", f"the body is nested more than {DEEPEST} levels deep")
        return Body(text, load(text))
    except UnicodeDecodeError as error:
        raise Problem("BODY_INVALID", f"the body is not UTF-8 (byte {error.start})") from None
    except ValueError as error:
        raise Problem("BODY_INVALID", f"the body is not JSON: {error}") from None


async def _bytes(request: Request, most: int) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        _refuse_size(most)
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > most:
            _refuse_size(most)
    return bytes(raw)


def _refuse_size(most: int) -> NoReturn:
    raise Problem(
        "BODY_TOO_LARGE", f"the body is larger than {most} bytes: store the result elsewhere, report where"
    )
