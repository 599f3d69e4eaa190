"""What an error of boto3 says about the launch: never started, or nobody knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Literal, cast

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
    ProxyConnectionError,
    SSLError,
)
from pgflow.executor import LaunchResult, Rejected, Unknown

__all__ = ["judge", "said", "unsent"]

Kind = Literal["throttled", "transient", "permanent", "operator"]

_LONGEST_WAIT: Final = timedelta(hours=1)
_QUOTED: Final = 300
_UNFIT: Final = re.compile(r"[^\x20-\x7e]+")

_CODES: Final[Mapping[Kind, str]] = {
    "throttled": """
        EC2Throttled RequestLimitExceeded RequestThrottled Throttled Throttling TooManyRequests
    """,
    "transient": """
        CodeArtifactUserPending EC2Unexpected EFSMountConnectivity EFSMountTimeout ENILimitReached ENINotReady
        ResourceConflict ResourceNotReady S3FilesMountConnectivity S3FilesMountTimeout SnapStartNotReady
        SnapStartRegenerationFailure SnapStartTimeout SubnetIPAddressLimitReached
    """,
    "permanent": """
        CodeArtifactUserDeleted CodeArtifactUserFailed EC2AccessDenied EFSMountFailure InvalidParameterValue
        InvalidRequestContent InvalidRuntime InvalidSecurityGroupID InvalidSubnetID InvalidZipFile
        KMSAccessDenied KMSDisabled KMSInvalidState KMSNotFound ModeNotSupported NoPublishedVersion
        RecursiveInvocation RequestEntityTooLarge RequestTooLarge ResourceNotFound RuntimeAliasDeleted
        RuntimeVersionDeleted S3FilesMountFailure SerializedRequestEntityTooLarge ServiceQuotaExceeded
        SnapStart UnsupportedMediaType Validation
    """,
    "operator": """
        AccessDenied AuthFailure ExpiredToken IncompleteSignature InvalidClientTokenId
        InvalidSignature InvalidToken MissingAuthenticationToken NotAuthorized OptInRequired RequestExpired
        RequestTimeTooSkewed SignatureDoesNotMatch UnrecognizedClient
    """,
}
_KIND_OF: Final[Mapping[str, Kind]] = {code: kind for kind, codes in _CODES.items() for code in codes.split()}
"""Anything else may come after the code ran: it is unknown."""

_MENDS: Final[Mapping[str, str]] = {
    "operator": "mend the credentials, or what their policy allows",
    "ResourceNotFound": "deploy the function, or mend `function`, `qualifier` and `region`",
    "RequestTooLarge": "the envelope is too large for the mode",
}


def judge(error: Exception) -> LaunchResult:
    """Say what an error of an invocation means."""
    if isinstance(error, ClientError):
        return _refused(error)
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError | ProxyConnectionError):
        return Rejected("transient", f"nothing was sent: {said(error)}")
    if isinstance(error, ParamValidationError):
        # Its first line says nothing; the payload, always bytes, is never what it quotes below.
        return Rejected("permanent", _plain(" ".join(str(error).split())))
    if isinstance(error, SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Rejected(
            "operator", f"nothing was sent: {said(error)}; mend the certificates, or AWS_CA_BUNDLE"
        )
    return Unknown(f"no answer: {said(error)}")


def unsent(error: Exception) -> Rejected:
    """Say what an error means that came before anything was sent: while credentials were sought."""
    answer = judge(error)
    if isinstance(answer, Rejected) and answer.kind in {"throttled", "transient"}:
        return answer
    if isinstance(error, ClientError):
        said_by = f"{error.operation_name}: {said(error)}"
        return Rejected("operator", f"no credentials: {said_by}; mend `role_arn`, or the credentials")
    mend = "set `profile`, or credentials as boto3 finds them"
    return Rejected("operator", f"no credentials: {said(error)}; {mend}")


def said(error: Exception) -> str:
    """Quote the first line of an error, in plain characters; what follows may hold a session token."""
    if isinstance(error, ClientError):
        told = error.response.get("Error", {})
        text = f"{_status(error)} {told.get('Code', '')} {told.get('Message', '')}"
    else:
        text = f"{type(error).__name__} {error}"
    first, *_ = text.strip().splitlines()
    return _plain(first)


def _plain(text: str) -> str:
    return _UNFIT.sub(" ", text)[:_QUOTED].strip()


def _refused(error: ClientError) -> LaunchResult:
    code = str(error.response.get("Error", {}).get("Code", "")).removesuffix("Exception")
    kind = _KIND_OF.get(code)
    if 300 <= _status(error) < 400:
        return Rejected("permanent", f"{said(error)}; redirects are not followed: mend `endpoint_url`")
    if kind is None:
        return Unknown(f"{said(error)}; the function may run")
    mend = _MENDS.get(code, _MENDS.get(kind))
    reason = said(error) if mend is None else f"{said(error)}; {mend}"
    return Rejected(kind, reason, _wait(error) if kind == "throttled" else None)


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _wait(error: ClientError) -> timedelta | None:
    """Read how long to wait: a member of the modelled error, or the header it comes from."""
    response = cast("Mapping[str, Any]", error.response)
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    text = str(response.get("retryAfterSeconds") or headers.get("retry-after") or "")
    try:
        seconds = float(text)
    except ValueError:
        return None
    return min(timedelta(seconds=seconds), _LONGEST_WAIT) if 0 <= seconds < float("inf") else None
