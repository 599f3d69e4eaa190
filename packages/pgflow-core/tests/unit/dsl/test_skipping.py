"""Which results may be absent, who meets the absence, and what `.or_none()` is for.

The truth is what a run does: property tests compare the rules with `run_inline`.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgflow import DefinitionError, Node, NonRetryable, contains, flow, map_step, step


def one(n: int | None) -> int:
    return n or 0


def strict(n: int) -> int:
    return n


def numbers(n: int) -> list[int]:
    return [n]


def strict_list(items: list[int]) -> int:
    return len(items)


def lenient_list(items: list[int | None]) -> int:
    return len(items)


def lenient_item(n: int | None) -> int:
    return n or 0


def fails(n: int) -> int:
    raise NonRetryable("no")


def define(body, **options):
    return flow(slug="f", **options)(body)


SKIPPING = {
    "condition": {"when": "positive"},
    "condition, skip": {"when": "positive", "when_unmet": "skip"},
    "unless": {"unless": "positive"},
    "exhausted": {"when_exhausted": "skip"},
    "exhausted, condition fails": {"when": "positive", "when_unmet": "fail", "when_exhausted": "skip"},
    "exhausted, condition cascades": {
        "when": "positive",
        "when_unmet": "skip_cascade",
        "when_exhausted": "skip",
    },
}
CASCADING = {
    "condition": {"when": "positive", "when_unmet": "skip_cascade"},
    "exhausted": {"when_exhausted": "skip_cascade"},
}
CERTAIN = {
    "plain": {},
    "condition fails": {"when": "positive", "when_unmet": "fail"},
    "exhausted fails": {"when_exhausted": "fail"},
}


def made(n, options):
    resolved = {key: contains(n, 1) if value == "positive" else value for key, value in options.items()}
    return step(strict, n, **resolved)


@pytest.mark.parametrize("options", SKIPPING.values(), ids=SKIPPING)
class TestAStepThatMayBeSkipped:
    def test_cannot_be_taken_as_if_it_were_not(self, options):
        with pytest.raises(
            DefinitionError, match=r"step 'next' takes the result of 'strict', which may be skipped"
        ):
            define(lambda n: step(one, made(n, options), slug="next"))

    def test_is_taken_with_or_none(self, options):
        def body(n):
            step(one, made(n, options).or_none())

        define(body)

    def test_cannot_be_returned_as_if_it_were_not(self, options):
        with pytest.raises(DefinitionError, match=r"the flow's result takes the result of 'strict'"):
            define(lambda n: made(n, options))

    def test_is_returned_with_or_none(self, options):
        define(lambda n: made(n, options).or_none())

    def test_may_be_waited_for_and_tested_as_it_is(self, options):
        def body(n):
            first = made(n, options)
            step(strict, n, slug="a", after=[first])
            step(strict, n, slug="b", when=contains(first, 1))

        define(body)


@pytest.mark.parametrize("options", CASCADING.values(), ids=CASCADING)
class TestAStepWhoseSkipCascades:
    def test_is_never_absent_for_steps_which_are_skipped_along(self, options):
        define(lambda n: step(strict, made(n, options), slug="next").or_none())

    def test_makes_every_result_downstream_absent_for_the_flow(self, options):
        def body(n):
            middle = step(strict, made(n, options), slug="middle")
            return step(strict, middle, slug="last")

        with pytest.raises(DefinitionError, match=r"returns the result of 'last', which may be skipped"):
            define(body)

    def test_reaches_steps_that_only_wait(self, options):
        def body(n):
            return step(strict, n, slug="last", after=[made(n, options)])

        with pytest.raises(DefinitionError, match=r"returns the result of 'last', which may be skipped"):
            define(body)

    def test_leaves_other_branches_alone(self, options):
        def body(n):
            made(n, options)
            return step(strict, n, slug="other")

        define(body)


@pytest.mark.parametrize("options", CERTAIN.values(), ids=CERTAIN)
class TestAStepThatIsNeverSkipped:
    def test_refuses_or_none(self, options):
        with pytest.raises(
            DefinitionError, match=r"step 'strict' of flow 'f' is never skipped: drop \.or_none\(\)"
        ):
            define(lambda n: made(n, options).or_none())

    def test_is_taken_and_returned_as_it_is(self, options):
        define(lambda n: step(strict, made(n, options), slug="next"))


def test_the_flows_default_counts():
    with pytest.raises(DefinitionError, match="may be skipped"):
        define(lambda n: step(strict, n), when_exhausted="skip")
    define(lambda n: step(strict, n, when_exhausted="fail"), when_exhausted="skip")
    with pytest.raises(DefinitionError, match="is never skipped"):
        define(lambda n: step(strict, n, when=contains(n, 1)).or_none(), when_unmet="fail")


def test_inputs_and_constants_are_never_skipped():
    from pgflow import const

    with pytest.raises(DefinitionError, match="the input of flow 'f' is never skipped"):
        define(lambda n: step(one, n.or_none()))
    with pytest.raises(DefinitionError, match="the constant 3 is never skipped"):
        const(3).or_none()


def test_or_none_twice_is_or_none():
    define(lambda n: made(n, {"when_exhausted": "skip"}).or_none().or_none())


class TestMaps:
    def test_a_map_over_a_skipped_step_gives_an_empty_list_and_needs_no_or_none(self):
        def body(n: Node[int]) -> Node[list[int]]:
            return map_step(strict, step(numbers, n, when=contains(n, 1)))

        mapped = define(body)
        assert mapped.run_inline(1) == [1]
        assert mapped.run_inline(2) == []

    def test_or_none_on_the_source_is_refused(self):
        with pytest.raises(
            DefinitionError, match=r"drop \.or_none\(\), a map over a skipped step gives \[\]"
        ):
            define(lambda n: map_step(strict, step(numbers, n, when=contains(n, 1)).or_none()))

    def test_a_map_with_failing_items_is_taken_with_items_or_none(self):
        def body(n: Node[int]) -> Node[int]:
            return step(lenient_list, map_step(fails, step(numbers, n), max_failures=1).items_or_none())

        assert define(body).run_inline(1) == 1

    @pytest.mark.parametrize(
        "use",
        [lambda m: m, lambda m: step(strict_list, m), lambda m: map_step(strict, m)],
        ids=["result", "step", "map"],
    )
    def test_a_map_with_failing_items_is_not_taken_as_if_none_failed(self, use):
        with pytest.raises(DefinitionError, match=r"takes the result of 'fails', whose items may fail"):
            define(lambda n: use(map_step(fails, step(numbers, n), max_failures=1)))

    def test_a_map_over_failing_items_takes_none(self):
        def body(n: Node[int]) -> Node[list[int]]:
            return map_step(lenient_item, map_step(fails, step(numbers, n), max_failures=1).items_or_none())

        assert define(body).run_inline(7) == [0]

    def test_items_or_none_is_refused_where_no_item_may_fail(self):
        with pytest.raises(DefinitionError, match=r"tolerates no failed item: drop \.items_or_none\(\)"):
            define(lambda n: map_step(strict, step(numbers, n)).items_or_none())
        with pytest.raises(DefinitionError, match=r"tolerates no failed item: drop \.items_or_none\(\)"):
            define(lambda n: map_step(strict, step(numbers, n), max_failures=0).items_or_none())

    def test_both_absences_at_once(self):
        def body(n: Node[int]) -> Node[list[int | None] | None]:
            mapped = map_step(fails, step(numbers, n), max_failures=1, when=contains(n, 1))
            return mapped.items_or_none().or_none()

        both = define(body)
        assert both.run_inline(1) == [None]
        assert both.run_inline(2) is None


def join(a: Any = "absent", b: Any = "absent", c: Any = "absent") -> str:
    return "none" if None in (a, b, c) else "ok"


MODES = st.sampled_from(["none", "skip", "skip_cascade"])


@st.composite
def graphs(draw):
    """For each step: which earlier ones it takes, how it may be skipped, and whether it is in this run."""
    size = draw(st.integers(1, 7))
    return [
        (
            draw(st.lists(st.integers(0, index - 1), unique=True, max_size=3)) if index else [],
            draw(MODES),
            draw(st.booleans()),
        )
        for index in range(size)
    ]


@given(graphs())
def test_the_rules_agree_with_what_runs_do(graph):
    """A step takes .or_none() exactly of those it must; no other one ever meets None, nor does the result."""

    def body(n):
        nodes = []
        for index, (deps, mode, skipped) in enumerate(graph):
            options = (
                {} if mode == "none" else {"when": contains(n, {"skipped": skipped}), "when_unmet": mode}
            )
            taken = [nodes[dep].or_none() if graph[dep][1] == "skip" else nodes[dep] for dep in deps]
            nodes.append(step(join, *taken, slug=f"s{index}", **options))
        last = nodes[-1]
        reachable, stack = set(), [len(graph) - 1]
        while stack:
            index = stack.pop()
            reachable.add(index)
            stack += graph[index][0]
        absent = graph[-1][1] != "none" or any(graph[index][1] == "skip_cascade" for index in reachable)
        return last.or_none() if absent else last

    defined = define(body)
    result = defined.run_inline({"skipped": False})
    cascades = [mode == "skip_cascade" and skipped for _, mode, skipped in graph]
    gone = list(cascades)
    for index, (deps, _, _) in enumerate(graph):
        gone[index] = gone[index] or any(gone[dep] for dep in deps)
    skipped_alone = [mode == "skip" and skipped for _, mode, skipped in graph]
    if gone[-1] or skipped_alone[-1]:
        assert result is None
    else:
        assert result == ("none" if any(skipped_alone[dep] for dep in graph[-1][0]) else "ok")
