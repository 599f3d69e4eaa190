"""Draws a flow's definition: as a tree for the terminal, as Mermaid, as Graphviz dot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.tree import Tree

__all__ = ["to_dot", "to_mermaid", "to_tree"]

_CONDITIONS = {"required_input": "if", "forbidden_input": "unless"}


def to_tree(definition: Mapping[str, Any]) -> Tree:
    """Draw the steps below the last of their dependencies; the others are named beside them."""
    tree = Tree(f"[bold]{escape(definition['flow_slug'])}[/]", guide_style="dim")
    branches: dict[str, Tree] = {}
    level: dict[str, int] = {}
    for step in _in_order(definition["steps"]):
        slug, deps = step["step_slug"], step.get("deps", [])
        level[slug] = 1 + max((level[dep] for dep in deps), default=0)
        parent = max(deps, key=lambda dep: (level[dep], deps.index(dep)), default=None)
        others = [dep for dep in deps if dep != parent]
        label = f"{escape(slug)}{_remarks(step)}"
        if others:
            label += f" [dim]+ {escape(', '.join(others))}[/]"
        branches[slug] = (tree if parent is None else branches[parent]).add(label)
    return tree


def to_mermaid(definition: Mapping[str, Any]) -> str:
    """Draw a Mermaid flowchart, for Markdown."""
    lines = ["flowchart TD"]
    for step in definition["steps"]:
        slug = step["step_slug"]
        shape = f'[["{slug}"]]' if step.get("step_type") == "map" else f'["{slug}"]'
        lines.append(f"    s_{slug}{shape}")
    for dep, slug, conditional in _edges(definition["steps"]):
        lines.append(f"    s_{dep} {'-.->' if conditional else '-->'} s_{slug}")
    return "\n".join(lines)


def to_dot(definition: Mapping[str, Any]) -> str:
    """Draw a Graphviz digraph."""
    lines = [f'digraph "{definition["flow_slug"]}" {{', "    node [shape=box];"]
    for step in definition["steps"]:
        shape = " [peripheries=2]" if step.get("step_type") == "map" else ""
        lines.append(f'    "{step["step_slug"]}"{shape};')
    for dep, slug, conditional in _edges(definition["steps"]):
        lines.append(f'    "{dep}" -> "{slug}"{" [style=dashed]" if conditional else ""};')
    return "\n".join([*lines, "}"])


def _edges(steps: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, bool]]:
    return [(dep, step["step_slug"], _is_conditional(step)) for step in steps for dep in step.get("deps", [])]


def _is_conditional(step: Mapping[str, Any]) -> bool:
    return any(step.get("options", {}).get(key) is not None for key in _CONDITIONS)


def _in_order(steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Sort so that every step comes after its dependencies, whatever order SQL authors chose."""
    done: dict[str, Mapping[str, Any]] = {}
    waiting = list(steps)
    while waiting:
        ready = [step for step in waiting if all(dep in done for dep in step.get("deps", []))]
        done.update({step["step_slug"]: step for step in ready})
        waiting = [step for step in waiting if step["step_slug"] not in done]
    return list(done.values())


def _remarks(step: Mapping[str, Any]) -> str:
    remarks: list[str] = []
    if step.get("step_type") == "map":
        remarks.append(
            f"[cyan]map over {escape('its input' if step['map_over'] == 'run' else step['map_over'])}[/]"
        )
    if step.get("executor", "local") != "local":
        remarks.append(f"[magenta]on {escape(step['executor'])}[/]")
    options = step.get("options", {})
    for key, word in _CONDITIONS.items():
        if options.get(key) is not None:
            remarks.append(f"[yellow]{word} {escape(json.dumps(options[key]))}[/]")
    return "".join(f"  {remark}" for remark in remarks)
