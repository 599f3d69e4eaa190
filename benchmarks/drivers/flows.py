"""The flows that both PGFlow contenders run, as definitions for `pgflow.define_flow`."""

import json
from typing import Any

HANDLERS = "benchmarks.drivers.handlers"
STEPS_OF = {"single": 1, "chain": 3, "fan": 2, "fan_after": 3, "pair": 2}


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
    return [json.dumps({"flow_slug": slug, "steps": steps}) for slug, steps in flows.items()]
