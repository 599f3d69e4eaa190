"""How the envelope and the token reach a pod's program: as variables, as a file, or as standard input.

A Job cannot say what its container reads from standard input, so a shell opens the file and
becomes the program.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

__all__ = ["ENVELOPE", "TOKEN", "Way", "check_size", "fed", "variables", "volumes"]

ENVELOPE: Final = "envelope"
TOKEN: Final = "token"  # noqa: S105
"""Keys of the Secret."""

Way = Literal["env", "file", "stdin"]

_VARIABLES: Final = {ENVELOPE: "PGFLOW_ENVELOPE", TOKEN: "PGFLOW_ATTEMPT_TOKEN"}
_LONGEST_VARIABLE: Final = 131_072
"""Bytes of NAME=value and its end, the most that Linux hands to a process."""
_LARGEST_SECRET: Final = 1_048_576

_VOLUME: Final = "pgflow"
_FOLDER: Final = "/var/run/pgflow"
_FILE: Final = f"{_FOLDER}/{ENVELOPE}"


def check_size(credentials: Mapping[str, str], way: Way) -> None:
    """Raise ValueError for what no process could be given this way."""
    for key in _as_variables(way):
        size = len(credentials[key].encode())
        if len(_VARIABLES[key]) + size + 2 > _LONGEST_VARIABLE:
            mend = ': choose envelope="file"' if key == ENVELOPE else ""
            raise ValueError(f"the {key} has {size} bytes, more than a variable holds{mend}")
    size = sum(len(value.encode()) for value in credentials.values())
    if size > _LARGEST_SECRET:
        raise ValueError(f"the envelope and its token have {size} bytes, more than a Secret holds")


def variables(name: str, credentials: Mapping[str, str], way: Way, *, plain: bool) -> list[dict[str, Any]]:
    """Return what the program finds in its environment; `name` is the Secret's."""
    found: list[dict[str, Any]] = []
    for key in _as_variables(way):
        secret = {"secretKeyRef": {"name": name, "key": key}}
        # Kubernetes makes one dollar of two.
        value = {"value": credentials[key].replace("$", "$$")} if plain else {"valueFrom": secret}
        found.append({"name": _VARIABLES[key], **value})
    if way == "file":
        found.append({"name": "PGFLOW_ENVELOPE_FILE", "value": _FILE})
    return found


def volumes(name: str, way: Way) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the pod and its container need for the file."""
    if way == "env":
        return {}, {}
    # Only the envelope: the token has its variable.  Whichever user the image runs as may read it.
    items = [{"key": ENVELOPE, "path": ENVELOPE}]
    secret = {"secretName": name, "defaultMode": 0o444, "items": items}
    mount = {"name": _VOLUME, "mountPath": _FOLDER, "readOnly": True}
    return {"volumes": [{"name": _VOLUME, "secret": secret}]}, {"volumeMounts": [mount]}


def fed(command: list[str] | None) -> list[str]:
    """Return the command that reads the file as its standard input; raises ValueError where there is none."""
    if not command:
        raise ValueError('envelope="stdin" needs a command: the template or a patch takes it away')
    return ["sh", "-c", f'exec "$@" <{_FILE}', "sh", *command]


def _as_variables(way: Way) -> tuple[str, ...]:
    return (ENVELOPE, TOKEN) if way == "env" else (TOKEN,)
