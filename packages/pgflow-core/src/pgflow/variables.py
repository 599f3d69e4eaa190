"""The `PGFLOW_*` variables that something reads, so that a mistyped one is told and not just ignored."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Final, TypeGuard

from pydantic import BaseModel

from pgflow.config import ENV_PREFIX, Settings

__all__ = ["unknown_variables"]

#: Read by commands without being keys of the configuration.
_BESIDE_KEYS: Final = ("PGFLOW_PLUGINS", "DATABASE_URL")

#: Read by others than the commands, without the prefix.
_OF_OTHERS: Final = frozenset(
    {
        # python -m pgflow.runtime
        *("ENVELOPE", "ENVELOPE_FILE", "ATTEMPT_TOKEN", "INSTANCE", "HANDLERS", "LOG_FORMAT"),
        # the programs that local executors run as commands
        *("RUN_ID", "FLOW_SLUG", "STEP_SLUG", "TASK_INDEX", "ATTEMPT", "DEADLINE", "IDEMPOTENCY_KEY"),
        # edge functions, and what serves them here
        *("SIGNING_SECRET", "EDGE_SETTINGS"),
        # workers that pull, as in the examples
        *("URL", "KEY", "CONCURRENCY"),
        # tests, besides those below
        *("PGBOUNCER", "PROMTOOL"),
    }
)
_OF_TESTS: Final = ("TEST_", "CHAOS_", "ORACLE_", "MODEL_")


def unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """Say which variables nothing reads, each with the nearest one that a command does; never a value."""
    readable = _readable()
    for name, value in sorted(environment.items()):
        key = name.upper().removeprefix(ENV_PREFIX)
        if not value or key == name.upper() or _is_known(key) or _is_of_a_service(name, environment):
            continue
        close = difflib.get_close_matches(key, readable, n=1)
        hint = f"did you mean {readable[close[0]]}?" if close else "remove or rename it"
        yield f"environment variable {name} is ignored, nothing of PGFlow reads it; {hint}"


def _is_known(key: str) -> bool:
    table, is_nested, _ = key.lower().partition("__")
    if is_nested:
        return table in Settings.model_fields  # the configuration checks what stands there
    return key in _OF_OTHERS or key.startswith(_OF_TESTS) or ENV_PREFIX + key in _readable().values()


def _is_of_a_service(name: str, environment: Mapping[str, str]) -> bool:
    """Tell what Kubernetes sets for each Service: X_SERVICE_HOST, X_SERVICE_PORT_HTTP, X_PORT_80_TCP..."""
    host = "_SERVICE_HOST"
    services = (other.removesuffix(host) for other in environment if other.endswith(host))
    return any(name.startswith((f"{service}_SERVICE_", f"{service}_PORT")) for service in services)


def _readable() -> dict[str, str]:
    """Return what commands read, each by what a mistyped name is compared with."""
    fields = Settings.model_fields
    tables = {name: field.annotation for name, field in fields.items()}
    nested = [
        f"{name}__{key}" for name, model in tables.items() if _is_table(model) for key in model.model_fields
    ]
    named = [*(ENV_PREFIX + key.upper() for key in (*fields, *nested)), *_BESIDE_KEYS]
    return {name.removeprefix(ENV_PREFIX): name for name in named}


def _is_table(model: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(model, type) and issubclass(model, BaseModel)
