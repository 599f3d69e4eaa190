"""The flows that both PGFlow contenders run, as definitions for `pgflow.define_flow`."""

import json
from typing import Any

from benchmarks.drivers import shapes

HANDLERS = "benchmarks.drivers.handlers"
STEPS_OF = {"single": 1, "chain": 3, "fan": 2, "fan_after": 3, "pair": 2, **shapes.STEPS_OF}


def _step(slug: str, handler: str, *deps: str, **more: Any) -> dict[str, Any]:
    return {
        "step_slug": slug,
        "step_type": "single",
        "deps": list(deps),
        "executor": "local",
        "handler": f"{HANDLERS}:{handler}",
        **more,
    }


def definitions() -> list[str]:
    """Return the definitions as JSON text; slugs are of the length that people write."""
    first = {"needs_run_input": True, "params": {"value": "run"}}
    over_run = {"step_type": "map", "map_over": "run", "params": {"item": "item"}}
    over_load = {"step_type": "map", "map_over": "load_items", "params": {"item": "item"}}
    reduce = _step("collect", "count", "score_items", params={"values": "score_items"})
    flows = {
        "single": [_step("summarize", "value", **first)],
        "chain": [
            _step("fetch_page", "value", **first),
            _step("summarize", "value", "fetch_page", params={"value": "fetch_page"}),
            _step("publish", "value", "summarize", params={"value": "summarize"}),
        ],
        "fan": [_step("score_items", "item", **over_run), reduce],
        "fan_after": [
            _step("load_items", "value", **first),
            _step("score_items", "item", "load_items", **over_load),
            reduce,
        ],
        "pair": [
            _step("first", "moments", **first),
            _step("second", "moments", "first", params={"value": "first"}),
        ],
    }
    return [_definition(slug, steps) for slug, steps in flows.items()]


def shape(slug: str) -> str:
    """Return the definition of a flow of many steps; only the turns that run it define it."""
    steps = {"long_chain": _long_chain, "layer": _layer, "ladder": _ladder}[slug]()
    return _definition(slug, steps)


def _definition(slug: str, steps: list[dict[str, Any]]) -> str:
    return json.dumps({"flow_slug": slug, "steps": steps})


def _first(slug: str) -> dict[str, Any]:
    return _step(slug, "value", needs_run_input=True, params={"value": "run"})


def _after(slug: str, dep: str, **more: Any) -> dict[str, Any]:
    return _step(slug, "value", dep, params={"value": dep}, **more)


def _long_chain() -> list[dict[str, Any]]:
    names = [f"link_{place}" for place in range(shapes.CHAINED)]
    pairs = zip(names[1:], names, strict=False)
    return [_first(names[0]), *(_after(name, before) for name, before in pairs)]


def _layer() -> list[dict[str, Any]]:
    names = [f"part_{place}" for place in range(shapes.LAYER)]
    last = _step("collect", "value", *names, params={"value": names[0]})
    return [_first("load"), *(_after(name, "load") for name in names), last]


def _ladder() -> list[dict[str, Any]]:
    """Return diamonds one below the other: outputs are never 0, so each left side is skipped."""
    steps = [_first("corner_0")]
    for place in range(shapes.DIAMONDS):
        corner, left, right = f"corner_{place}", f"left_{place}", f"right_{place}"
        steps += [
            _after(left, corner, options={"required_input": {corner: 0}}),
            _after(right, corner, options={"forbidden_input": {corner: 0}}),
            _step(f"corner_{place + 1}", "value", left, right, params={"value": right}),
        ]
    return steps
