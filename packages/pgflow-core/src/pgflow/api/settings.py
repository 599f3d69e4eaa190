"""What an operator may set about the completion API."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from pgflow.envelope import ReportTarget

__all__ = ["ApiSettings"]

Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/\s?#]+)$")]


class ApiSettings(BaseModel):
    """The [completion API](http-api.md); durations are seconds."""

    model_config = ConfigDict(extra="forbid")

    public_url: str | None = None
    """Where attempts that run elsewhere reach the API: what stands before `v1/tasks/`."""
    report_to: ReportTarget | None = None
    """Where they report to instead: `{kind = "http", url = "..."}`,
    `{kind = "postgrest", url = "https://x.supabase.co/rest/v1/", apikey = "..."}`,
    or `{kind = "postgres"}` if they have `PGFLOW_DSN` themselves."""
    max_body: Annotated[int, Field(ge=1024)] = 1 << 20
    """Bytes of one request's body; a larger one is answered 413 before it is read to its end."""
    body_timeout: Annotated[float, Field(gt=0)] = 10.0
    """How long a client may take to send a body."""
    connections: Annotated[int, Field(ge=1, le=100)] = 2
    """Database connections for reports, and as many for handshakes, as many for claims."""
    waiting_claims: Annotated[int, Field(ge=1)] = 1000
    """Claims at once, those that wait for tasks included; one more is answered 429."""
    cors_origins: list[Origin] = []
    """Whose pages may call it from a browser, as `"https://app.example.com"`; `"*"` is everybody."""
    wake_secret: Annotated[SecretStr, Field(min_length=16)] | None = None
    """What [`POST /wake`](http-api.md#wake-a-dispatcher) asks for; without it there is no such address."""

    @field_validator("public_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        return url and ReportTarget("http", url).url

    @model_validator(mode="after")
    def _check_targets(self) -> ApiSettings:
        if self.public_url is not None and self.report_to is not None:
            raise ValueError("public_url and report_to exclude each other: keep one")
        return self

    @property
    def target(self) -> ReportTarget | None:
        """Where attempts that run elsewhere report to, unless their executor says otherwise."""
        return self.report_to or (None if self.public_url is None else ReportTarget("http", self.public_url))
