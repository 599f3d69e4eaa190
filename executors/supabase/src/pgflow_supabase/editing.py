"""What plugins may change of a call: where it goes within the project, and headers beside ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from pgflow_supabase.settings import FunctionName, Region, SupabaseStepOptions

__all__ = ["Edited", "Uneditable", "edited"]

_HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", to_lower=True)]
_HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]*$")]

_OURS: Final = {
    *("accept-encoding", "apikey", "connection", "content-length", "content-type", "host", "prefer"),
    *("transfer-encoding", "x-pgflow-attempt", "x-pgflow-signature", "x-region"),
}
"""Headers that say who calls, and what is meant."""


class Uneditable(ValueError):
    """What plugins made of a call cannot be sent."""


class _Call(BaseModel):
    """What is left of a call once plugins have seen it."""

    model_config = ConfigDict(extra="forbid")

    function: FunctionName
    region: Region | None
    headers: dict[_HeaderName, _HeaderValue] = Field(repr=False)


@dataclass(frozen=True, slots=True)
class Edited:
    """What a step asks for, and the headers that are sent besides ours."""

    asked: SupabaseStepOptions
    headers: Mapping[str, str]


def edited(asked: SupabaseStepOptions, edit: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Edited:
    """Let plugins edit a call, but not the envelope; raises Uneditable for what cannot be sent."""
    shown: dict[str, Any] = {"function": asked.function, "region": asked.region, "headers": {}}
    try:
        call = _Call.model_validate(edit(shown))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise Uneditable(f"what plugins made of the call cannot be sent: {wrong}") from None
    headers = {name: value for name, value in call.headers.items() if name not in _OURS}
    return Edited(asked.model_copy(update={"function": call.function, "region": call.region}), headers)
