"""What is answered when a request cannot be served: a status, a stable code and a sentence."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from pgflow.errors import (
    BadInput,
    DatabaseError,
    DatabaseUnreachable,
    KeyRefused,
    NotYours,
    PgflowError,
    RunNotFound,
    TooLarge,
)

__all__ = ["STATUS_BY_CODE", "Problem", "answer_http_error", "answer_problem", "problem_of", "unknown_task"]

STATUS_BY_CODE: Final = {
    "BODY_INVALID": 422,
    "BODY_TIMEOUT": 408,
    "BODY_TOO_LARGE": 413,
    "CONFLICT": 409,
    "DATABASE_ERROR": 503,
    "DATABASE_UNREACHABLE": 503,
    "KEY_REFUSED": 401,
    "KEY_SCOPE": 403,
    "OUTPUT_INVALID": 422,
    "RUN_HELD": 503,
    "STALE": 409,
    "TOKEN_MISSING": 401,
    "TOO_MANY_CLAIMS": 429,
    "TOO_LARGE": 413,
    "UNKNOWN_TASK": 404,
}
"""Every code this API answers; 409 means stop and do not retry, 429 and 503 mean try again."""

_RETRY_AFTER: Final = "1"
_HEADERS: Final = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": _RETRY_AFTER},
    503: {"Retry-After": _RETRY_AFTER},
}


class Problem(Exception):
    """Ends a request with one of the codes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def unknown_task() -> Problem:
    """Say that the address leads nowhere."""
    return Problem("UNKNOWN_TASK", "there is no such run, step or task")


def answer_problem(error: Problem | PgflowError) -> JSONResponse:
    """Turn a problem, or an error of the database, into its response."""
    problem = error if isinstance(error, Problem) else problem_of(error)
    status = STATUS_BY_CODE[problem.code]
    body = {"code": problem.code, "message": problem.message}
    return JSONResponse(body, status, _HEADERS.get(status))


_CODE_OF: Final = (
    (KeyRefused, "KEY_REFUSED"),
    (NotYours, "KEY_SCOPE"),
    (TooLarge, "TOO_LARGE"),
    (BadInput, "OUTPUT_INVALID"),
)
"""What the engine's own words are passed on for."""


def problem_of(error: PgflowError) -> Problem:
    """Say what an error of the engine means to a worker."""
    if isinstance(error, RunNotFound):
        return unknown_task()
    code = next((code for cls, code in _CODE_OF if isinstance(error, cls)), None)
    if code is not None:
        return Problem(code, str(error))
    if isinstance(error, DatabaseUnreachable):
        return Problem("DATABASE_UNREACHABLE", "the database cannot be reached now: try again")
    if isinstance(error, DatabaseError) and error.sqlstate == "55P03":
        return Problem("RUN_HELD", "another transaction holds the run open: try again")
    return Problem("DATABASE_ERROR", "the database refused the statement: try again, or ask the operator")


async def answer_http_error(request: Request, error: Exception) -> JSONResponse:
    """Give what the framework refuses (no such path, wrong method) the same body as every problem."""
    if not isinstance(error, HTTPException):
        raise error
    code = {404: "NO_SUCH_PATH", 405: "METHOD_NOT_ALLOWED"}.get(error.status_code, "HTTP_ERROR")
    body = {"code": code, "message": f"{request.method} {request.url.path}: {error.detail}"}
    return JSONResponse(body, error.status_code, error.headers)
