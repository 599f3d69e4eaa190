"""Sends one attempt to one function, once, and says what came of it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    InvalidRegionError,
    NoRegionError,
    ProfileNotFound,
)
from pgflow.executor import Accepted, LaunchResult, Rejected, Unknown

from pgflow_lambda.answers import judge, said, unsent
from pgflow_lambda.clients import Clients, NoCredentials
from pgflow_lambda.endings import Ending, ending_of
from pgflow_lambda.settings import LambdaSettings, Mode, Target

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import (
        ErrorObjectTypeDef,
        InvocationRequestTypeDef,
        InvocationResponseTypeDef,
    )

__all__ = ["Call", "Invoked", "Invoker"]

_MOST_OF_A_PAYLOAD: Final = 65_536
_OURS: Final = ("InvocationType", "DurableExecutionName")
"""Arguments on which it depends what an answer means."""

_STATUS: Final = {"Event": 202, "RequestResponse": 200, "DryRun": 204}


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation: the arguments that boto3 gets, and the envelope beside them."""

    arguments: Mapping[str, Any]
    payload: bytes = field(repr=False)

    @classmethod
    def of(cls, target: Target, mode: Mode, payload: bytes, durable_name: str | None = None) -> Call:
        """Make one; `durable_name` makes one durable execution of all invocations that bear it."""
        arguments: dict[str, Any] = {**target.parameters(), "InvocationType": mode}
        if mode == "RequestResponse":
            arguments["LogType"] = "Tail"
        if durable_name is not None:
            arguments["DurableExecutionName"] = durable_name
        return cls(arguments, payload)

    @property
    def mode(self) -> Mode:
        """How it is invoked."""
        return cast("Mode", self.arguments["InvocationType"])

    @property
    def target(self) -> Target:
        """What is invoked."""
        return Target(self.arguments["FunctionName"], self.arguments.get("Qualifier"))

    def edited(self, edit: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Call:
        """Let plugins have the last word on the arguments; the envelope and the kind of launch stay."""
        asked = edit(self.arguments)
        theirs = {name: value for name, value in asked.items() if name not in {*_OURS, "Payload"}}
        ours = {name: self.arguments[name] for name in _OURS if name in self.arguments}
        return Call({"FunctionName": self.arguments["FunctionName"], **theirs, **ours}, self.payload)


@dataclass(frozen=True, slots=True)
class Invoked:
    """How an invocation went."""

    result: LaunchResult
    ending: Ending | None = None
    """How the function failed, where that is known already."""


class Invoker:
    """Makes the clients when they are first needed, and anew once their credentials were refused."""

    def __init__(self, settings: LambdaSettings, connections: int) -> None:
        self._settings = settings
        self._connections = connections
        self._lock = threading.Lock()
        self._clients: Clients | None = None

    def check(self) -> None:
        """Raise ValueError for a profile or a region that is none."""
        try:
            self._made()
        except (ConfigParseError, InvalidRegionError, NoRegionError, ProfileNotFound, ValueError) as error:
            raise ValueError(str(error)) from error
        except BotoCoreError:
            return  # credentials that cannot be had now, perhaps later: launches say so

    def ready(self) -> Clients:
        """Return clients with credentials; raises NoCredentials, or what botocore says of the settings."""
        clients = self._made()
        try:
            clients.authenticate()
        except NoCredentials:
            self.forget(clients)
            raise
        return clients

    def _made(self) -> Clients:
        with self._lock:
            if self._clients is None:
                self._clients = Clients(self._settings, self._connections)
            return self._clients

    def forget(self, clients: Clients | None = None) -> None:
        """Close these clients, or whichever there are: the next ones read the credentials again."""
        with self._lock:
            known = self._clients
            if clients is None or known is clients:
                self._clients = None
        if known is not None and (clients is None or known is clients):
            known.close()

    def invoke(self, call: Call) -> Invoked:
        """Invoke once; never raises."""
        try:
            clients = self.ready()
        except NoCredentials as error:
            return Invoked(unsent(error.reason))
        except Exception as error:
            return Invoked(unsent(error))
        client = clients.event if call.mode == "Event" else clients.sync
        try:
            request = cast("InvocationRequestTypeDef", {**call.arguments, "Payload": call.payload})
            response = client.invoke(**request)
        except Exception as error:
            result = _conflict(call, error) or judge(error)
            if isinstance(result, Rejected) and result.kind == "operator":
                self.forget(clients)
            return Invoked(result)
        return _answered(call, response)

    def stop(self, durable_arn: str) -> str | None:
        """End a durable execution that may go on; returns why that failed, and never raises."""
        reason: ErrorObjectTypeDef = {"ErrorType": "Cancelled", "ErrorMessage": "PGFlow stopped this attempt"}
        try:
            self.ready().event.stop_durable_execution(DurableExecutionArn=durable_arn, Error=reason)
        except NoCredentials as error:
            return unsent(error.reason).reason
        except Exception as error:
            return None if _code(error) == "ResourceNotFoundException" else said(error)
        return None


def _conflict(call: Call, error: Exception) -> Accepted | None:
    """Take a durable execution of this name for ours: the name is that of the attempt."""
    name = call.arguments.get("DurableExecutionName")
    if name is None or _code(error) != "DurableExecutionAlreadyStartedException":
        return None
    return Accepted({"v": 1, "durable_name": name}, adopted=True)


def _code(error: Exception) -> str | None:
    """Return what Lambda calls its refusal."""
    return error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None


def _answered(call: Call, response: InvocationResponseTypeDef) -> Invoked:
    payload = b""
    # The head says all that counts; the connection is free for others once the body was read.
    with contextlib.suppress(Exception), response["Payload"] as body:
        payload = body.read(_MOST_OF_A_PAYLOAD)
    status = response["StatusCode"]
    if status != _STATUS[call.mode]:
        return Invoked(
            Unknown(f"HTTP {status}, where Lambda answers {_STATUS[call.mode]}: mend `endpoint_url`")
        )
    known = {
        "request_id": response["ResponseMetadata"].get("RequestId"),
        "version": response.get("ExecutedVersion"),
        "durable_arn": response.get("DurableExecutionArn"),
    }
    handle = {"v": 1, **{name: value for name, value in known.items() if value}}
    if not response.get("FunctionError"):
        return Invoked(Accepted(handle))
    return Invoked(Accepted(handle), ending_of(_object(payload), _log_tail(response)))


def _object(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None


def _log_tail(response: InvocationResponseTypeDef) -> str | None:
    try:
        return base64.b64decode(response.get("LogResult", ""), validate=True).decode(errors="replace") or None
    except (binascii.Error, ValueError):
        return None
