"""The endpoint that boto3 speaks to: Invoke, and the reads of a function's configuration."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any, Final

from pgflow_testing.aws_lambda.environment import Invocation
from pgflow_testing.aws_lambda.faults import NOTHING, Fault, Refusal
from pgflow_testing.aws_lambda.function import Function
from pgflow_testing.aws_lambda.service import Delivery, Service
from pgflow_testing.endpoint import Endpoint
from pgflow_testing.wire import Request, Response

__all__ = ["LambdaEndpoint"]

_PATH: Final = re.compile(
    r"/(?:2015-03-31|2019-09-25)/functions/"
    r"(?:arn:aws[\w-]*:lambda:[\w-]+:\d{12}:function:|(?:\d{12}:)?(?:function:)?)(?P<name>[\w-]+)(?::[\w$-]+)?"
    r"/(?P<verb>invocations|configuration|event-invoke-config)"
)
_LARGEST: Final = {"Event": 2**20, "RequestResponse": 6 * 2**20, "DryRun": 6 * 2**20}
_LOG_TAIL: Final = 4096


class LambdaEndpoint(Endpoint):
    """Serves functions while it is entered; `url` is the client's endpoint_url, `requests` are to invoke.

    `faults` is asked for each request to invoke, after those that `befall` set: `Odds(...)`, for example.
    Raises ModuleNotFoundError without the runtime client, NotADirectoryError for a folder that is not there.
    """

    def __init__(
        self, functions: Iterable[Function], *, port: int = 0, faults: Callable[[], Fault] = lambda: NOTHING
    ) -> None:
        if find_spec("awslambdaric") is None:
            raise ModuleNotFoundError(
                "functions run under AWS's runtime client: `pip install 'pgflow-testing[lambda]'`"
            )
        super().__init__("Lambda endpoint", port)
        self.functions = {function.name: function for function in functions}
        for function in self.functions.values():
            if not function.folder.is_dir():
                raise NotADirectoryError(f"function {function.name}: {function.folder} is no folder")
        self.undelivered: list[dict[str, Any]] = []
        """The events that failed for good, as an on-failure destination gets them."""
        self._faults = faults
        self._next_faults: deque[Fault] = deque()
        self._services: dict[str, Service] = {}

    def befall(self, *faults: Fault) -> None:
        """Let these happen to the next requests to invoke, in this order."""
        self._next_faults.extend(faults)

    def deliveries(self, name: str) -> list[Delivery]:
        """Return what the function's processes were given so far, in order."""
        return list(self._services[name].deliveries)

    @asynccontextmanager
    async def _behind(self, address: str) -> AsyncGenerator[None]:
        self._services = {
            name: Service(function, self.undelivered.append) for name, function in self.functions.items()
        }
        try:
            yield
        finally:
            await asyncio.gather(*(service.close() for service in self._services.values()))

    async def _respond(self, request: Request) -> Response | None:
        found = _PATH.fullmatch(request.path)
        if found is None:
            return _refusal(Refusal(404, "ResourceNotFoundException", f"no such path: {request.path}"))
        service = self._services.get(found["name"])
        if service is None:
            return _refusal(Refusal(404, "ResourceNotFoundException", f"Function not found: {found['name']}"))
        match found["verb"], request.method:
            case "invocations", "POST":
                return await self._invoke(service, request)
            case "configuration", "GET":
                return _json(200, _configuration(service.function))
            case "event-invoke-config", "GET":
                return _json(200, _event_config(service.function))
            case _:
                return _refusal(Refusal(405, "MethodNotAllowedException", "not served by this endpoint"))

    async def _invoke(self, service: Service, request: Request) -> Response | None:
        self.requests.append(request)
        fault = self._next_faults.popleft() if self._next_faults else self._faults()
        kind = request.headers.get("x-amz-invocation-type", "RequestResponse")
        refusal = fault.refusal or _objection(request, kind)
        if refusal is None and kind == "RequestResponse" and service.is_full:
            refusal = Refusal.throttled()
        if refusal is not None:
            await asyncio.sleep(fault.delay)
            return _refusal(refusal)
        response = await self._take(service, request, kind, fault)
        await asyncio.sleep(fault.delay)
        return None if fault.drop else response

    async def _take(self, service: Service, request: Request, kind: str, fault: Fault) -> Response:
        request_id = str(uuid.uuid4())
        headers = {"x-amzn-RequestId": request_id, "X-Amz-Executed-Version": "$LATEST"}
        invocation = Invocation(request_id, service.function.arn, request.body or b"{}")
        if kind == "DryRun":
            return Response(204, headers=headers)
        if kind == "Event":
            for _ in range(fault.copies):
                service.queue(invocation)
            return Response(202, headers=headers)
        answer = await service.invoke(invocation)
        if answer.failed:
            headers["X-Amz-Function-Error"] = "Unhandled"
        if request.headers.get("x-amz-log-type") == "Tail":
            headers["X-Amz-Log-Result"] = base64.b64encode(answer.log_tail[-_LOG_TAIL:]).decode()
        return Response(200, answer.payload, headers)


def _objection(request: Request, kind: str) -> Refusal | None:
    if "authorization" not in request.headers:
        return Refusal(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    largest = _LARGEST.get(kind)
    if largest is None:
        return Refusal(400, "InvalidParameterValueException", f"Invalid invocation type: {kind}")
    if len(request.body) > largest:
        message = f"{len(request.body)} byte payload is too large for the {kind} invocation type"
        return Refusal(413, "RequestTooLargeException", f"{message} (limit {largest} bytes)")
    try:
        json.loads(request.body or b"{}")
    except ValueError as error:
        return Refusal(
            400, "InvalidRequestContentException", f"Could not parse request body into json: {error}"
        )
    return None


def _refusal(refusal: Refusal) -> Response:
    kind = "Service" if refusal.status >= 500 else "User"
    body = {"Type": kind, "Message" if refusal.reason is None else "message": refusal.message}
    headers = {"x-amzn-ErrorType": refusal.code}
    if refusal.reason is not None:
        body["Reason"] = refusal.reason
    if refusal.retry_after is not None:
        headers["Retry-After"] = f"{refusal.retry_after:g}"
    return _json(refusal.status, body, headers)


def _json(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    told = {"Content-Type": "application/json", "x-amzn-RequestId": str(uuid.uuid4()), **(headers or {})}
    return Response(status, json.dumps(body).encode(), told)


def _configuration(function: Function) -> dict[str, Any]:
    return {
        "FunctionName": function.name,
        "FunctionArn": function.arn,
        "Handler": function.handler,
        "MemorySize": function.memory_mb,
        "Timeout": round(function.timeout),
        "PackageType": "Zip",
        "State": "Active",
        "Version": "$LATEST",
    }


def _event_config(function: Function) -> dict[str, Any]:
    return {
        "FunctionArn": f"{function.arn}:$LATEST",
        "MaximumRetryAttempts": function.maximum_retry_attempts,
        "MaximumEventAgeInSeconds": round(function.maximum_event_age),
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {}},
    }
