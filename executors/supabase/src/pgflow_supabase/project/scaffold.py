"""A first flow and its edge function, to start from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from pgflow_supabase.project.migrations import Writing

__all__ = ["write_flow", "write_function"]

_PLACEHOLDER: Final = "FLOW"


def write_function(project: Path, flow: str, writing: Writing) -> None:
    """Write the edge function of a flow unless there is one; with the flow's types where they are known."""
    template = "typed_index.ts" if _has_types(project, flow) else "index.ts"
    writing.write(project / "supabase" / "functions" / flow / "index.ts", _filled(template, flow))


def write_flow(project: Path, flow: str, writing: Writing) -> None:
    """Write the flow in Python, its types and its settings, in a project without settings."""
    if (project / "pgflow.toml").exists():
        return
    writing.write(project / "pgflow.toml", _filled("pgflow.toml", flow))
    writing.write(project / "flows" / f"{flow}.py", _filled("flow.py.txt", flow))
    writing.write(_types(project), _filled("flows.ts", flow))


def _types(project: Path) -> Path:
    """Where `pgflow typegen` is told to write."""
    return project / "supabase" / "functions" / "_shared" / "flows.ts"


def _has_types(project: Path, flow: str) -> bool:
    types = _types(project)
    return types.exists() and f"\n  {flow}: {{" in types.read_text(encoding="utf-8")


def _filled(template: str, flow: str) -> str:
    text = files("pgflow_supabase.project").joinpath("templates", template).read_text(encoding="utf-8")
    return text.replace(_PLACEHOLDER, flow)
