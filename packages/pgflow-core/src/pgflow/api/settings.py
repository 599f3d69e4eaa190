"""What an operator may set about the completion API."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ApiSettings"]


class ApiSettings(BaseModel):
    """The [completion API](http-api.md); durations are seconds."""

    model_config = ConfigDict(extra="forbid")

    max_body: Annotated[int, Field(ge=1024)] = 1 << 20
    """Bytes of one request's body; a larger one is answered 413 before it is read to its end."""
    body_timeout: Annotated[float, Field(gt=0)] = 10.0
    """How long a client may take to send a body."""
    connections: Annotated[int, Field(ge=1, le=100)] = 2
    """Database connections for reports, and as many for handshakes."""
