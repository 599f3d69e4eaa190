"""A definition as an SQL script for people to read, and the difference of two definitions in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pgflow.graph import DEFAULT_OPTIONS, FlowDefinition, StepDefinition
from pgflow.jsonb import is_array, is_object

__all__ = ["diff", "to_sql"]

_WIDTH: Final = 100
_SHOWN: Final = 60


def to_sql(definition: FlowDefinition) -> str:
    """Return a script that defines the flow; running it again changes nothing."""
    document = _pretty(definition.to_json())
    tag = "$pgflow$"
    number = 0
    while tag in document:
        number += 1
        tag = f"$pgflow{number}$"
    return f"{_header(definition)}select * from pgflow.define_flow({tag}\n{document}\n{tag}::jsonb);\n"  # noqa: S608


def diff(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> list[str]:
    """Say in words what changed from one definition (as JSON) to the next; nothing if they mean the same.

    `old` is None for a flow that was not there.
    """
    old_steps = {} if old is None else _steps(old)
    new_steps = _steps(new)
    if old is None:
        return [f"new flow with {_count(len(new_steps))}: {', '.join(new_steps)}"]
    changes = list(_option_changes("flow", old, new))
    if old.get("input_schema") != new.get("input_schema"):
        changes.append(_schema_change(old.get("input_schema"), new.get("input_schema")))
    if old.get("returns") != new.get("returns"):
        changes.append(f"flow: returns {_show(old.get('returns'))} -> {_show(new.get('returns'))}")
    changes += [f"step {slug!r}: removed" for slug in old_steps if slug not in new_steps]
    for slug, step in new_steps.items():
        if slug in old_steps:
            changes += _step_changes(slug, old_steps[slug], step)
        else:
            changes.append(f"step {slug!r}: added{_after(step)}")
    if not changes and list(old_steps) != list(new_steps):
        changes.append(f"steps are listed in another order: {', '.join(new_steps)}")
    return changes


def _header(definition: FlowDefinition) -> str:
    lines = [
        f"Flow {definition.flow_slug}: {_count(len(definition.steps))}.",
        "Running this again changes nothing; changed content becomes the flow's next version.",
        "",
        *_table([_row(step) for step in definition.steps]),
    ]
    return "".join(f"-- {_on_one_line(line)}".rstrip() + "\n" for line in lines)


def _on_one_line(text: str) -> str:
    # A line break in a name would end the comment, and what follows would be run.
    return "".join(character if character.isprintable() else "?" for character in text)


def _row(step: StepDefinition) -> tuple[str, ...]:
    sources = [f"each of {dep}" if dep == step.map_over else dep for dep in step.deps]
    if step.map_over == "run":
        sources.insert(0, "each of the input")
    elif step.needs_run_input:
        sources.insert(0, "the input")
    return step.step_slug, f"<- {', '.join(sources) or 'nothing'}", f"{step.executor}:{step.handler}"


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))


def _pretty(value: Any, indent: int = 0) -> str:
    """Render JSON with what fits on a line on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if not value or (indent and indent + len(line) <= _WIDTH):
        return line
    if is_object(value):
        opening, closing = "{}"
        entries = [f"{_pretty(key)}: {_pretty(inner, indent + 2)}" for key, inner in value.items()]
    elif is_array(value):
        opening, closing = "[]"
        entries = [_pretty(inner, indent + 2) for inner in value]
    else:
        return line
    separator = "\n" + " " * (indent + 2)
    return opening + separator + f",{separator}".join(entries) + "\n" + " " * indent + closing


def _steps(definition: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {step["step_slug"]: step for step in definition.get("steps") or ()}


def _count(steps: int) -> str:
    return f"{steps} step{'' if steps == 1 else 's'}"


def _after(step: Mapping[str, Any]) -> str:
    deps = step.get("deps")
    return f", after {', '.join(deps)}" if deps else ""


#: Keys of a step, what the engine takes for a missing one, and what people call it.
_STEP_KEYS: Final[tuple[tuple[str, Any, str], ...]] = (
    ("step_type", "single", "type"),
    ("map_over", None, "maps over"),
    ("needs_run_input", False, "takes the flow's input"),
    ("executor", "local", "executor"),
    ("executor_options", {}, "executor options"),
    ("handler", None, "handler"),
    ("params", {}, "parameters"),
)


def _step_changes(slug: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    place = f"step {slug!r}"
    was: list[str] = old.get("deps") or []
    now: list[str] = new.get("deps") or []
    yield from (f"{place}: no longer depends on {dep!r}" for dep in was if dep not in now)
    yield from (f"{place}: now depends on {dep!r}" for dep in now if dep not in was)
    if set(was) == set(now) and was != now:
        yield f"{place}: lists its dependencies in another order"
    for key, default, name in _STEP_KEYS:
        before, after = old.get(key) or default, new.get(key) or default
        if before != after:
            yield f"{place}: {name} {_show(before)} -> {_show(after)}"
    yield from _option_changes(place, old, new)


def _option_changes(place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    was: dict[str, Any] = old.get("options") or {}
    now: dict[str, Any] = new.get("options") or {}
    for name, default in DEFAULT_OPTIONS.items():
        if (name in was) != (name in now) or was.get(name) != now.get(name):
            usual = f"the flow's or {_show(default)}" if place != "flow" else f"default {_show(default)}"
            before = _show(was[name]) if name in was else usual
            after = _show(now[name]) if name in now else usual
            yield f"{place}: {name} {before} -> {after}"


def _schema_change(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> str:
    was, now = (old or {}).get("properties", {}), (new or {}).get("properties", {})
    fields = [f"-{name}" for name in was if name not in now]
    fields += [f"+{name}" for name in now if name not in was]
    fields += [f"~{name}" for name in now if name in was and was[name] != now[name]]
    return "flow: the input's type changed" + (f": {', '.join(fields)}" if fields else "")


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
