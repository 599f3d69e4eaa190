"""How one step takes the values of others, and the checks on it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pgflow.dsl.conditions import Condition, contains
from pgflow.dsl.handlers import bind
from pgflow.dsl.node import Constant, FlowInput, Node, PlacedStep, Taken, is_node, taken_of
from pgflow.errors import DefinitionError

__all__ = ["Tests", "Wiring", "check_taken", "wire"]

#: What a condition tests: a value, and the pattern it must contain.
Tests = tuple[tuple[Taken, object], ...]


@dataclass(frozen=True, eq=False, slots=True)
class Wiring:
    """What a step takes, waits for and depends on."""

    bindings: Mapping[str, Taken]
    """Handler parameter -> value; the first one of a map step takes the items of `map_over`."""
    map_over: Taken | None
    deps: tuple[PlacedStep, ...]
    when: Tests
    unless: Tests


def wire(
    source: FlowInput,
    slug: str,
    handler: Callable[..., Any],
    *,
    over: Node[Any] | None,
    inputs: Sequence[Node[Any]],
    given: Mapping[str, Any],
) -> Wiring:
    """Check and bind the inputs, `after`, `when` and `unless` of a step of the flow with input `source`."""
    taker = f"step {slug!r}"
    map_over = None if over is None else check_taken(over, source, taker, is_map_source=True)
    plain = [check_taken(node, source, taker) for node in inputs]
    if map_over is not None:
        _check_map_source(map_over, plain, source.flow, slug)
    taken = plain if map_over is None else [map_over, *plain]
    when = _tests("when", given.get("when"), source, slug)
    unless = _tests("unless", given.get("unless"), source, slug)
    waits = [*taken, *_after(given.get("after", ()), source, slug), *(value for value, _ in when + unless)]
    deps = tuple(dict.fromkeys(value.step for value in waits if value.step is not None))
    bindings = bind(handler, taken, flow=source.flow, step=slug)
    if not bindings:
        _check_no_accident(handler, deps, source.flow, slug)
    return Wiring(bindings, map_over, deps, when, unless)


def check_taken(node: object, source: FlowInput, taker: str, *, is_map_source: bool = False) -> Taken:
    """Return what `node` stands for, or raise DefinitionError if `taker` may not take it as it stands."""
    taken = _own(node, source, taker)
    step = taken.step
    if step is None:
        return taken
    problem = None
    if is_map_source and taken.allows_none:
        problem = f"maps over {step.slug!r}: drop .or_none(), a map over a skipped step gives []"
    elif step.skips and not taken.allows_none and not is_map_source:
        problem = (
            f"takes the result of {step.slug!r}, which may be skipped: take it with .or_none() and let the "
            "handler accept None"
        )
    elif step.has_holes and not taken.allows_holes:
        problem = (
            f"takes the result of {step.slug!r}, whose items may fail (max_failures): take it with "
            ".items_or_none() and let the handler accept None"
        )
    if problem is not None:
        raise DefinitionError(f"{taker} {problem}", flow=source.flow)
    return taken


def _own(node: Any, source: FlowInput, taker: str) -> Taken:
    if not is_node(node):
        raise DefinitionError(
            f"{taker} takes nodes, not {node!r}: wrap a value in const(...)", flow=source.flow
        )
    taken = taken_of(node)
    owner = taken.step.source if taken.step else taken.origin
    if owner is not source and not isinstance(owner, Constant):
        raise DefinitionError(f"{taker} takes {taken.origin}, a node of another flow", flow=source.flow)
    return taken


def _check_map_source(over: Taken, inputs: Iterable[Taken], flow: str, slug: str) -> None:
    if isinstance(over.origin, Constant):
        raise DefinitionError("maps over a constant: return the list from a step", flow=flow, step=slug)
    if over.step is not None and any(value.step is over.step for value in inputs):
        raise DefinitionError(
            f"maps over {over.step.slug!r} and takes it whole besides: hand the whole on by a step between",
            flow=flow,
            step=slug,
        )


def _check_no_accident(handler: Callable[..., Any], deps: Iterable[PlacedStep], flow: str, slug: str) -> None:
    # A step without bindings is stored without params, and a worker then binds by name.
    for name in inspect.signature(handler).parameters.keys() & {dep.slug for dep in deps}:
        raise DefinitionError(
            f"the handler's parameter {name!r} would take the result of the step of that name: give that "
            "step another slug=, or take its node",
            flow=flow,
            step=slug,
        )


def _after(nodes: object, source: FlowInput, slug: str) -> list[Taken]:
    listed = cast("Sequence[Any]", nodes) if isinstance(nodes, list | tuple) else [nodes]
    after = [_own(node, source, f"step {slug!r}, option 'after',") for node in listed]
    for taken in after:
        if taken.step is None:
            problem = f"takes nodes of steps, not {taken.origin}"
            raise DefinitionError(problem, flow=source.flow, step=slug, option="after")
    return after


def _tests(option: str, given: Any, source: FlowInput, slug: str) -> Tests:
    condition = contains(given, True) if is_node(given) else given
    if condition is None:
        return ()
    if not isinstance(condition, Condition):
        problem = f"takes contains(node, pattern) or the node of a bool, not {given!r}"
        raise DefinitionError(problem, flow=source.flow, step=slug, option=option)
    taker = f"step {slug!r}, option {option!r},"
    tests = tuple((_own(node, source, taker), pattern) for node, pattern in condition.patterns)
    for taken, _ in tests:
        if isinstance(taken.origin, Constant):
            problem = f"tests {taken.origin}: test the flow's input or a step's result"
            raise DefinitionError(problem, flow=source.flow, step=slug, option=option)
    origins = [taken.origin for taken, _ in tests]
    if len(set(origins)) < len(origins):
        problem = "tests the same value twice: put both into one pattern"
        raise DefinitionError(problem, flow=source.flow, step=slug, option=option)
    return tests
