"""How many rows the statements of a function look at, by their plans: blocks say nothing of joins."""

from __future__ import annotations

import re
from typing import Any

from .engine import Engine

Plan = dict[str, Any]

_LOOKED_AT = (
    "Actual Rows",
    "Rows Removed by Filter",
    "Rows Removed by Join Filter",
    "Rows Removed by Index Recheck",
)


def rows_looked_at(engine: Engine, function: str, argument: str, value: str, settings: dict[str, str]) -> int:
    """Return what all statements of a function without branches look at, called under these settings.

    `value` is an SQL expression for the function's only argument. Nothing of what they do is kept.
    """
    source, pinned, kind = engine.row(
        "select prosrc, proconfig, proargtypes[0]::regtype::text from pg_proc where oid = %s::regproc",
        f"pgflow.{function}",
    )
    body = re.sub(r"--[^\n]*", "", source).strip().removeprefix("begin").removesuffix("end")
    looked_at = 0
    with engine.connection.transaction(force_rollback=True):
        for name, setting in [*settings.items(), *(each.split("=", 1) for each in pinned or ())]:
            engine.rows("select set_config(%s, %s, true)", name, setting)
        for statement in filter(str.strip, body.replace(f"{function}.{argument}", "$1").split(";")):
            engine.connection.execute(f"prepare explained ({kind}) as {statement}")
            explain = "explain (analyze, timing off, format json) execute explained"
            ((answer,),) = engine.connection.execute(f"{explain} ({value})")
            looked_at += _looked_at(answer[0]["Plan"])
            engine.connection.execute("deallocate explained")
    return looked_at


def _looked_at(plan: Plan) -> int:
    own = plan["Actual Loops"] * sum(plan.get(kind, 0) for kind in _LOOKED_AT)
    return int(own + sum(map(_looked_at, plan.get("Plans", []))))
