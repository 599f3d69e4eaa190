"""Reads `PGFLOW_<KEY>` variables as what they stand for in pgflow.toml; checks nothing of their values.

`PGFLOW_<TABLE>__<KEY>` is a key of a table, however deep; a table or a list may be given as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, cast

from pgflow.errors import ConfigError

__all__ = ["PREFIX", "over"]

PREFIX: Final = "PGFLOW_"
_DELIMITER: Final = "__"
_OF_PLUGINS: Final = "executors"
"""The table whose keys are not known here, so that a number or `true` in it is taken for one."""

Table = dict[str, Any]


def over(
    table: Table, variables: Mapping[str, str], *, keys: Collection[str], tables: Collection[str]
) -> Table:
    """Return a table of pgflow.toml with the variables put over it.

    Variables that begin with none of `keys`, and empty ones, are not ours. What `tables` names is a table:
    raises ConfigError, naming the variable, for one that is given as anything else than a JSON object.
    """
    merged = table
    for name, text in sorted(variables.items()):  # PGFLOW_X comes before PGFLOW_X__Y, which is nearer
        if not name.upper().startswith(PREFIX) or not text:
            continue
        path = name[len(PREFIX) :].lower().split(_DELIMITER)
        if path[0] not in keys:
            continue
        value = _value(text, "" if path[0] == _OF_PLUGINS else "{[")
        if path[0] in tables and len(path) == 1 and not isinstance(value, dict):
            raise ConfigError(
                f"environment variable {name}: not a JSON object; write one, or set {name}{_DELIMITER}<KEY>"
            )
        merged = _merged(merged, _at(path, value))
    return merged


def _at(path: Sequence[str], value: Any) -> Table:
    """Make the table that holds a value at a path."""
    first, *rest = path
    return {first: _at(rest, value) if rest else value}


def _value(text: str, begins: str) -> Any:
    """Read text that begins so as JSON, if it is JSON; all other text is what it is."""
    if begins and text[0] not in begins:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _merged(below: Table, above: Table) -> Table:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = (
            _merged(cast("Table", old), cast("Table", value))
            if isinstance(old, dict) and isinstance(value, dict)
            else value
        )
    return merged
