"""Definitions in the JSON of `define_flow`, written with as few words as a test can bear."""

from __future__ import annotations

from typing import Any

Json = Any

_STEP_KEYS = frozenset({"executor", "executor_options", "handler", "needs_run_input", "params"})
_FLOW_KEYS = frozenset({"options", "input_schema", "returns"})


def step(slug: str, *deps: str, **settings: Json) -> dict[str, Json]:
    """Return a single step after `deps`; settings that are no step key become its options."""
    return _step(slug, "single", deps, settings)


def map_step(slug: str, over: str, *deps: str, **settings: Json) -> dict[str, Json]:
    """Return a map step over a dependency or over "run"; `deps` are further plain inputs."""
    mapped = () if over == "run" else (over,)
    return _step(slug, "map", (*mapped, *deps), settings) | {"map_over": over}


def flow(slug: str, *steps: dict[str, Json], **keys: Json) -> dict[str, Json]:
    """Return a flow definition; keys that are no flow key become the flow's default options."""
    definition: dict[str, Json] = {"flow_slug": slug, "steps": list(steps)}
    options = {key: value for key, value in keys.items() if key not in _FLOW_KEYS}
    definition |= {key: value for key, value in keys.items() if key in _FLOW_KEYS}
    if options:
        definition["options"] = {**options, **definition.get("options", {})}
    return definition


def _step(slug: str, kind: str, deps: tuple[str, ...], settings: dict[str, Json]) -> dict[str, Json]:
    made: dict[str, Json] = {"step_slug": slug, "step_type": kind, "deps": list(deps)}
    made |= {key: value for key, value in settings.items() if key in _STEP_KEYS}
    made.setdefault("handler", f"handlers:{slug}")
    options = {key: value for key, value in settings.items() if key not in _STEP_KEYS}
    if options:
        made["options"] = options
    return made


def chain(*slugs: str, **settings: Json) -> list[dict[str, Json]]:
    """Return single steps, each after the one before."""
    pairs = zip([None, *slugs], slugs, strict=False)
    return [step(slug, *([before] if before else []), **settings) for before, slug in pairs]


def ladder(diamonds: int) -> list[dict[str, Json]]:
    """Return diamonds one below the other; no output being 0, each left side is skipped."""
    steps = [step("corner_0")]
    for place in range(diamonds):
        corner, left, right = f"corner_{place}", f"left_{place}", f"right_{place}"
        steps += [
            step(left, corner, required_input={corner: 0}),
            step(right, corner, forbidden_input={corner: 0}),
            step(f"corner_{place + 1}", left, right),
        ]
    return steps
