"""What an operator may set for Lambda functions, and what a step may ask of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal, NotRequired, Self, TypedDict
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

__all__ = ["LambdaSettings", "LambdaStepOptions", "Mode", "Target"]

_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}
_PARTS_OF_AN_ARN: Final = 7
"""Of a function's ARN without a qualifier."""

_ARN: Final = r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]{1,64}"
_QUALIFIER: Final = r"\$LATEST|[A-Za-z0-9_-]{1,128}"

Mode = Literal["Event", "RequestResponse"]
Function = Annotated[
    str, StringConstraints(pattern=rf"^(?:[A-Za-z0-9_-]{{1,64}}|{_ARN}(?::(?:{_QUALIFIER}))?)$")
]
Qualifier = Annotated[str, StringConstraints(pattern=rf"^(?:{_QUALIFIER})$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}$")]
Role = Annotated[str, StringConstraints(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[A-Za-z0-9_+=,.@/-]+$")]


class _Named(BaseModel):
    """A function and its version."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    function: Function | None = None
    """The function that runs the step, by its name or ARN."""
    qualifier: Qualifier | None = None
    """Its version or alias."""

    @model_validator(mode="after")
    def _qualified_once(self) -> Self:
        if self.qualifier is not None and _is_qualified(self.function):
            raise ValueError(
                "the ARN in `function` ends in a qualifier: leave it out there, or in `qualifier`"
            )
        return self


class LambdaSettings(_Named):
    """[Functions of AWS Lambda](../how-to/lambda.md) that run steps; durations are seconds."""

    function: Function | None = None
    """The function, by its name or ARN, of steps that name none."""
    qualifier: Qualifier | None = None
    """The version or alias of functions, unless their ARN or their step says."""
    mode: Mode = "Event"
    """`"Event"` hands attempts to Lambda's queue, `"RequestResponse"` waits until they have ended."""
    region: Region | None = None
    """Where the functions are; as the profile or the environment says, unless set."""
    profile: str | None = None
    """The profile of `~/.aws/config` with the credentials; as boto3 finds them, unless set."""
    role_arn: Role | None = None
    """A role to assume with those credentials."""
    role_external_id: SecretStr | None = None
    """What the role asks for as `sts:ExternalId`."""
    endpoint_url: str | None = None
    """Where to send instead of AWS: a VPC endpoint, or an emulator."""
    allow_insecure: bool = False
    """Send to an http `endpoint_url` that is not on this machine; tokens can be read on the way."""
    connect_timeout: float = Field(default=3.0, gt=0, le=5)
    """Time that a connection may take."""
    response_timeout: float = Field(default=10.0, gt=0, le=30)
    """Time that Lambda may take to queue an attempt."""
    sync_timeout: float = Field(default=35.0, gt=0, le=40)
    """Time that an attempt may take in the mode `RequestResponse`; after it nobody knows how it went."""
    inline_below: int = Field(default=0, ge=0, le=900_000)
    """Inputs of fewer bytes go along with the request; larger ones are fetched by the function."""
    on_failure_queue: str | None = None
    """URL of the SQS queue that is the functions' on-failure destination; dispatchers alone read it."""

    @model_validator(mode="after")
    def _safe(self) -> Self:
        for key, url in (("endpoint_url", self.endpoint_url), ("on_failure_queue", self.on_failure_queue)):
            if url is not None:
                _check_url(key, url, may_be_http=self.allow_insecure)
        if self.role_external_id is not None and self.role_arn is None:
            raise ValueError("role_external_id goes with role_arn")
        return self


class LambdaStepOptions(_Named):
    """What a step may ask for: `Lambda("images", qualifier="live")`."""

    function: Function | None = None
    """The function that runs the step, by its name or ARN; the instance's, unless set."""
    qualifier: Qualifier | None = None
    """Its version or alias; the instance's, unless set."""
    mode: Mode | None = None
    """How it is invoked; as the instance says, unless set."""


class TargetParameters(TypedDict):
    """What names a function in the calls of boto3."""

    FunctionName: str
    Qualifier: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Target:
    """A function, and which version of it."""

    function: str
    qualifier: str | None

    @classmethod
    def of(cls, settings: LambdaSettings, options: LambdaStepOptions) -> Target | None:
        """Choose for a step; None if nobody names a function."""
        function = options.function or settings.function
        if function is None:
            return None
        qualifier = options.qualifier or settings.qualifier
        return cls(function, None if _is_qualified(function) else qualifier)

    def parameters(self) -> TargetParameters:
        """Return what names it in the calls of boto3."""
        named: TargetParameters = {"FunctionName": self.function}
        if self.qualifier is not None:
            named["Qualifier"] = self.qualifier
        return named


def _is_qualified(function: str | None) -> bool:
    """Tell whether an ARN ends in a version or an alias."""
    return function is not None and function.count(":") >= _PARTS_OF_AN_ARN


def _check_url(key: str, url: str, *, may_be_http: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError(f"{key} must be a url such as https://..., without user or password")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not may_be_http:
        raise ValueError(f"{key} must be https; allow_insecure = true allows http in a trusted network")
