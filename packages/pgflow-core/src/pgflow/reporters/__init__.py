"""How a task that runs elsewhere speaks to the engine: HTTP, PostgREST, or the database itself."""

from __future__ import annotations

from pgflow.reporters.choice import reporter_for
from pgflow.reporters.contract import Call, NotWanted, Refused, Reporter, Unavailable, Verb

__all__ = ["Call", "NotWanted", "Refused", "Reporter", "Unavailable", "Verb", "reporter_for"]
