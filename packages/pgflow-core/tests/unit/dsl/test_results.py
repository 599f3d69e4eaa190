"""What a flow returns: shapes, the definition's `returns`, and decoding a run's output."""

import json
from dataclasses import dataclass

import pytest
from pgflow import DefinitionError, Node, OutputInvalid, const, contains, flow, map_step, step


@dataclass
class Page:
    text: str


def page(n: int) -> Page:
    return Page(str(n))


def length(p: Page) -> int:
    return len(p.text)


def again(n: int) -> int:
    return n


@flow
def single(n: Node[int]) -> Node[Page]:
    p = step(page, n)
    step(length, p)
    return p


@flow
def pair(n: Node[int]) -> tuple[Node[Page], Node[int]]:
    p = step(page, n)
    return p, step(length, p)


@flow
def leaves(n: Node[int]) -> tuple[Node[Page], Node[int]]:
    return step(page, n), step(again, n)


@flow
def named(n: Node[int]) -> dict[str, Node[int]]:
    return {"first": step(again, n), "second": step(length, step(page, n))}


@flow
def nothing(n: Node[int]) -> None:
    step(again, n)


@flow
def maybe(n: Node[int]) -> tuple[Node[int | None], Node[int]]:
    return step(again, n, when=contains(n, 1)).or_none(), step(again, n, slug="always")


@flow
def mapped(numbers: Node[list[int]]) -> Node[list[Page]]:
    return map_step(page, numbers)


@pytest.mark.parametrize(
    ("defined", "returns"),
    [
        (single, "page"),
        (pair, None),
        (leaves, None),
        (named, None),
        (nothing, None),
        (maybe, None),
        (mapped, "page"),
    ],
    ids=lambda value: getattr(value, "slug", ""),
)
def test_the_definition_names_the_step_whose_output_is_the_flows_value(defined, returns):
    assert defined.definition.returns == returns


@pytest.mark.parametrize(
    ("defined", "outputs", "value"),
    [
        (single, {"page": {"text": "7"}, "length": 1}, Page("7")),
        (pair, {"page": {"text": "7"}, "length": 1}, (Page("7"), 1)),
        (leaves, {"page": {"text": "7"}, "again": 7}, (Page("7"), 7)),
        (named, {"again": 1, "length": 2}, {"first": 1, "second": 2}),
        (nothing, {"again": 1}, None),
        (nothing, None, None),
        (maybe, {"always": 3}, (None, 3)),
        (maybe, {"always": 3, "again": 1}, (1, 3)),
        (mapped, {"page": [{"text": "1"}]}, [Page("1")]),
    ],
    ids=lambda value: getattr(value, "slug", ""),
)
def test_a_runs_output_is_decoded(defined, outputs, value):
    assert defined.decode_output(outputs) == value
    assert defined.decode_output(json.dumps(outputs)) == value


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"page": {"text": 7}}, "page.text: Input should be a valid string"),
        ({}, "does not match"),
        ("[", "Invalid JSON"),
    ],
)
def test_an_output_of_another_type_is_refused(outputs, message):
    with pytest.raises(OutputInvalid, match=message):
        single.decode_output(outputs)


def test_nothing_completed_is_an_output_of_null():
    @flow
    def skipped(n: Node[int]) -> Node[int | None]:
        return step(again, n, when=contains(n, 1)).or_none()

    assert skipped.decode_output(None) is None
    assert skipped.decode_output("null") is None
    assert skipped.run_inline(2) is None


def test_steps_that_others_take_can_be_returned_together():
    @flow
    def inner(n: Node[int]) -> tuple[Node[int], Node[int], Node[int]]:
        first = step(again, n)
        second = step(again, first, slug="second")
        return second, first, step(again, second, slug="third")

    assert inner.decode_output({"again": 1, "second": 2, "third": 3}) == (2, 1, 3)
    assert inner.run_inline(3) == (3, 3, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda n: n, "returns the input of flow 'f': a flow returns results of steps"),
        (lambda n: const(3), "returns the constant 3"),
        (lambda n: 3, "returns 3: a flow returns a node"),
        (lambda n: [step(again, n)], "a flow returns a node, a tuple of nodes, a dict"),
        (lambda n: {1: step(again, n)}, "a dict of text to nodes"),
        (lambda n: (step(again, n), 3), "the flow's result takes nodes, not 3"),
    ],
)
def test_what_is_no_result_is_refused(make, message):
    with pytest.raises(DefinitionError, match=message):

        @flow(slug="f")
        def wrong(n: Node[int]) -> None:
            return make(n)


@pytest.mark.parametrize(
    ("defined", "value", "result"),
    [
        (pair, 12, (Page("12"), 2)),
        (named, 12, {"first": 12, "second": 2}),
        (nothing, 1, None),
        (mapped, [], []),
    ],
)
def test_run_inline_gives_the_same_shapes(defined, value, result):
    assert defined.run_inline(value) == result


def test_eight_results():
    @flow
    def eight(n: Node[int]) -> tuple[Node[int], ...]:
        return tuple(step(again, n, slug=f"s{i}") for i in range(8))

    assert eight.run_inline(3) == (3,) * 8
