"""The only package that speaks SQL to the engine.

`statements` builds every call, `execute` sends one, `connection` opens what it is sent on.
"""

from __future__ import annotations

from pgflow.database.connection import aconnect, can_listen, connect
from pgflow.database.execute import DEADLOCKS, afetch, fetch
from pgflow.database.statement import Statement

__all__ = ["DEADLOCKS", "Statement", "aconnect", "afetch", "can_listen", "connect", "fetch"]
