"""Random flows: up to 30 steps with maps, conditions and every way of failing and skipping."""

from __future__ import annotations

from random import Random
from typing import Any

from ..oracle import Step
from .definitions import flow

Json = Any


def random_steps(random: Random, array_input: bool) -> list[Step]:
    """Return 1 to 30 steps, each after those it depends on."""
    steps: list[Step] = []
    density = random.choice([0.5, 1.0, 1.6])
    for number in range(random.choice([1, 2, 3, 4, 6, 8, 12, 20, 30])):
        names = [step.slug for step in steps]
        wanted = min(len(names), int(random.expovariate(1 / density) + 0.4))
        deps = set(random.sample(names[-8:], min(wanted, 8, len(names))))
        map_over = None
        if random.random() < 0.35:
            sources = ["run"] * array_input + [name for name in names if name.startswith(("list", "map"))][
                -4:
            ]
            map_over = random.choice(sources) if sources else None
            deps |= {map_over} - {"run", None}  # type: ignore[arg-type]
        steps.append(_step(random, _slug(random, map_over, number), tuple(sorted(deps)), map_over))
    return steps


def _slug(random: Random, map_over: str | None, number: int) -> str:
    if map_over:
        return f"map{number}"
    return random.choice(["list", "one", "one"]) + str(number)


def _step(random: Random, slug: str, deps: tuple[str, ...], map_over: str | None) -> Step:
    conditional = random.random() < 0.3
    return Step(
        slug,
        deps,
        map_over,
        needs_run_input=random.random() < 0.3,
        max_attempts=random.choice([1, 2, 3]),
        when_exhausted=random.choice(["fail", "skip", "skip", "skip_cascade"]),
        max_failures=random.choice([0, 0, 1, 2]) if map_over else 0,
        required=_condition(random, deps) if conditional and random.random() < 0.6 else None,
        forbidden=_condition(random, deps) if conditional and random.random() < 0.6 else None,
        when_unmet=random.choice(["skip", "skip", "skip", "skip_cascade", "skip_cascade", "fail"]),
    )


def _condition(random: Random, deps: tuple[str, ...]) -> Json:
    subject = random.choice(["run", *deps])
    part = [
        {},
        {},
        {"k": random.randrange(2)},
        [random.randrange(3)],
        [],
        None,
        random.randrange(3),
        [{"k": 1}],
    ]
    return {subject: random.choice(part)}


def random_input(random: Random, array_input: bool) -> Json:
    """Return a flow input."""
    if array_input:
        return [random_value(random) for _ in range(random.choice([0, 1, 2, 3, 5]))]
    return random.choice([{"k": random.randrange(2)}, {}, None, random.randrange(3)])


def random_output(random: Random, slug: str) -> Json:
    """Return an output: of `list...` steps mostly an array."""
    if slug.startswith("list") and random.random() < 0.95:
        return [random_value(random) for _ in range(random.choice([0, 1, 2, 3, 4]))]
    return random_value(random)


def random_value(random: Random) -> Json:
    """Return a small value that conditions may ask for."""
    return random.choice([{"k": 0}, {"k": 1}, {"k": 1, "x": [1]}, 0, 1, 2, None, [0, 1], "", False, True])


def definition(slug: str, steps: list[Step], returns: str | None) -> dict[str, Json]:
    """Return the JSON of a flow whose retries wait for nothing and whose leases never time out."""
    made = []
    for step in steps:
        options = {
            "max_attempts": step.max_attempts,
            "when_exhausted": step.when_exhausted,
            "when_unmet": step.when_unmet,
            "required_input": step.required,
            "forbidden_input": step.forbidden,
            "max_failures": step.max_failures or None,
        }
        made.append(
            {
                "step_slug": step.slug,
                "step_type": "map" if step.map_over else "single",
                "deps": list(step.deps),
                "handler": f"m:{step.slug}",
                "needs_run_input": step.needs_run_input,
                "options": {key: value for key, value in options.items() if value is not None},
            }
            | ({"map_over": step.map_over} if step.map_over else {})
        )
    keys = {"returns": returns} if returns else {}
    return flow(slug, *made, base_delay=0, jitter=0, timeout=100_000_000, launch_timeout=100_000_000, **keys)
