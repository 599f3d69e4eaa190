"""What an operator may set for a Supabase project, and what a step may ask of it."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)

__all__ = ["PAID_WALL_CLOCK", "SupabaseSettings", "SupabaseStepOptions", "is_here"]

_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}
_SHORTEST_SECRET: Final = 16
PAID_WALL_CLOCK: Final = 400.0

FunctionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-\d{1,2}$")]


def is_here(host: str | None) -> bool:
    """Say whether a host name means the machine that uses it."""
    return host in _LOOPBACK


class SupabaseSettings(BaseModel):
    """A project whose [edge functions](../how-to/supabase.md) run steps; durations are seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    """The project, `"https://<ref>.supabase.co"`, or the gateway of one that you host."""
    signing_secret: SecretStr
    """What requests are signed with; the functions have it as PGFLOW_SIGNING_SECRET."""
    key: SecretStr | None = None
    """The key that the gateway asks for; none for functions with `verify_jwt = false`."""
    key_kind: Literal["secret", "legacy_jwt"] = "secret"
    """A new secret key goes into the header `apikey`; a legacy JWT is the bearer, too."""
    region: Region | None = None
    """Where functions run, unless their step says; the nearest to the dispatcher, unless set."""
    connect_timeout: float = Field(default=3.0, gt=0, le=60)
    """Time that a connection may take."""
    response_timeout: float = Field(default=15.0, gt=0, le=55)
    """Time that a function may take to accept an attempt."""
    wall_clock: float = Field(default=150.0, gt=0)
    """Time that a worker of the project lives, 400 on a paid plan: what `pgflow doctor` holds timeouts to."""
    allow_insecure: bool = False
    """Send to an http url that is not on this machine; keys and tokens can be read on the way."""
    allow_private: bool = False
    """Send to private addresses that the url's name leads to: a gateway in a network of yours."""

    @property
    def is_remote(self) -> bool:
        """Whether the functions run on another machine."""
        return not is_here(urlsplit(self.url).hostname)

    @property
    def is_exposed(self) -> bool:
        """Whether others can read what is sent there."""
        return self.is_remote and urlsplit(self.url).scheme == "http"

    @field_validator("url")
    @classmethod
    def _base(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be a url such as https://<project>.supabase.co")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("must have no user, password, query or fragment")
        return url.rstrip("/")

    @field_validator("signing_secret")
    @classmethod
    def _long(cls, secret: SecretStr) -> SecretStr:
        if len(secret.get_secret_value()) < _SHORTEST_SECRET or "," in secret.get_secret_value():
            raise ValueError(
                f"must have {_SHORTEST_SECRET} characters or more, and no comma: `openssl rand -hex 32`"
            )
        return secret

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if self.is_exposed and not self.allow_insecure:
            raise ValueError("url must be https; allow_insecure = true allows http in a network you trust")
        if self.key is not None:
            is_jwt = self.key.get_secret_value().count(".") == 2
            if is_jwt and self.key_kind == "secret":
                raise ValueError(
                    'key is a JWT: set key_kind = "legacy_jwt", or use a secret key (sb_secret_...)'
                )
            if not is_jwt and self.key_kind == "legacy_jwt":
                raise ValueError("key is no JWT: leave key_kind out for a secret key (sb_secret_...)")
        return self


class SupabaseStepOptions(BaseModel):
    """What a step may ask for: `Edge("images", region="eu-west-3")`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    function: FunctionName
    """The edge function that runs the step."""
    region: Region | None = None
    """Where it runs."""
    mode: Literal["background", "sync"] = "background"
    """`"sync"` waits up to 20 seconds for the result, which comes with the answer instead of a report."""
