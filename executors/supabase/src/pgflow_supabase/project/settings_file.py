"""Adds what PGFlow needs to a project's config.toml, and leaves the rest of it as it stands."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError

__all__ = ["UnfitSettings", "merged_settings", "settings_snippet"]

_USUAL_SCHEMAS: Final = ("public", "graphql_public")


class UnfitSettings(Exception):
    """A config.toml that nothing can be added to."""


def settings_snippet(function: str) -> str:
    """Return what a config.toml needs, for a project without one."""
    return merged_settings("", function)


def merged_settings(text: str, function: str) -> str:
    """Return the file with the schema exposed and the function open to signed requests, comments kept."""
    try:
        settings = tomlkit.parse(text)
    except TOMLKitError as error:
        raise UnfitSettings(f"it is not TOML: {error}") from None
    schemas = _table(settings, "api").setdefault("schemas", list(_USUAL_SCHEMAS))
    if not isinstance(schemas, list):
        raise UnfitSettings("schemas of [api] is not a list")
    exposed = cast("list[str]", schemas)
    if "pgflow" not in exposed:
        exposed.append("pgflow")
    functions = _table(settings, "functions", is_super_table=True)
    _table(functions, function)["verify_jwt"] = False
    return tomlkit.dumps(settings)


def _table(parent: MutableMapping[str, Any], name: str, **style: bool) -> MutableMapping[str, Any]:
    if name not in parent:
        parent[name] = tomlkit.table(**style)
    found = parent[name]
    if not isinstance(found, MutableMapping):
        raise UnfitSettings(f"{name} is not a table")
    return cast("MutableMapping[str, Any]", found)
