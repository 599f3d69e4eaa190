"""The plugin: registers the Supabase executor with PGFlow."""

from __future__ import annotations

from collections.abc import Sequence

from pgflow.executor import Executor
from pgflow.hookspecs import hookimpl

from pgflow_supabase.executor import SupabaseExecutor


@hookimpl
def pgflow_register_executors() -> Sequence[type[Executor]]:
    """Return the Supabase executor."""
    return [SupabaseExecutor]
