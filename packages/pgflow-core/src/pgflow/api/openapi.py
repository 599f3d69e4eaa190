"""The OpenAPI document: what the routes take and answer, from the same models that check it."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from pgflow.api.models import (
    Claimed,
    ClaimRequest,
    Completed,
    CompleteRequest,
    Failed,
    FailRequest,
    HeartbeatRequest,
    ProblemBody,
    Released,
    ReleaseRequest,
    Renewed,
    Started,
    StartRequest,
)

__all__ = ["document"]

_VERBS: Final[dict[str, tuple[type[BaseModel], type[BaseModel], str]]] = {
    "claim": (ClaimRequest, Claimed, "Claim tasks, and wait for some where there are none."),
    "start": (StartRequest, Started, "Make the start handshake of a launched attempt and get its input."),
    "heartbeat": (
        HeartbeatRequest,
        Renewed,
        "Renew the lease of an attempt; learn whether it is still wanted.",
    ),
    "complete": (CompleteRequest, Completed, "Report the output of an attempt."),
    "fail": (FailRequest, Failed, "Report the failure of an attempt."),
    "release": (ReleaseRequest, Released, "Hand an attempt back; it counts against no budget."),
}

_PROBLEMS: Final = {
    401: "No bearer, or one that is worth nothing here.",
    404: "No such run, step or task.",
    408: "The body did not arrive in time.",
    409: "The attempt is not the current one, or another instance has it: stop, do not retry.",
    413: "The body is too large.",
    422: "The body is not JSON, lacks a field, or holds what PostgreSQL cannot store.",
    503: "Try again after Retry-After seconds.",
}
_OF_CLAIMS: Final = {
    **{status: _PROBLEMS[status] for status in (401, 408, 413, 422, 503)},
    403: "The key is not for this executor.",
    429: "Too many claims wait already: try again after Retry-After seconds.",
}
_TEMPLATE: Final = "#/components/schemas/{model}"


def document(version: str) -> dict[str, Any]:
    """Return the document for this version of PGFlow."""
    models = {model for taken, given, _ in _VERBS.values() for model in (taken, given)} | {ProblemBody}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema([(model, "validation") for model in ordered], ref_template=_TEMPLATE)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PGFlow completion API",
            "version": version,
            "description": "The claim, whose bearer is a worker key, and the verbs of an attempt, whose "
            "bearer is the attempt token.",
        },
        "paths": {f"/v1/tasks/{verb}": {"post": _operation(verb)} for verb in _VERBS},
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "attemptToken": {"type": "http", "scheme": "bearer", "bearerFormat": "uuid"},
                "workerKey": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(verb: str) -> dict[str, Any]:
    taken, given, summary = _VERBS[verb]
    answers = {"200": {"description": "Applied, or already known.", **_content(given)}}
    problems = _OF_CLAIMS if verb == "claim" else _PROBLEMS
    answers |= {
        str(status): {"description": what, **_content(ProblemBody)} for status, what in problems.items()
    }
    return {
        "operationId": f"{verb}Task",
        "summary": summary,
        "security": [{"workerKey" if verb == "claim" else "attemptToken": []}],
        "requestBody": {"required": True, **_content(taken)},
        "responses": answers,
    }


def _content(model: type[BaseModel]) -> dict[str, Any]:
    reference = {"$ref": _TEMPLATE.format(model=model.__name__)}
    return {"content": {"application/json": {"schema": reference}}}
