"""How nodes are wired into steps, and which wirings are refused."""

import pytest
from pgflow import DefinitionError, Node, const, contains, flow, map_step, step


def zero() -> int:
    return 0


def one(a: int) -> int:
    return a


def two(a: int, b: int) -> int:
    return a + b


def eight(a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int) -> int:
    return a + b + c + d + e + f + g + h


def optional(a: int, zero: int = 5) -> int:
    return a + zero


def only_optional(zero: int = 5) -> int:
    return zero


def positional(a: int, /, b: int) -> int:
    return a - b


def numbers(n: int) -> list[int]:
    return list(range(n))


def item_and(item: int, scale: int, whole: int = 0) -> int:
    return item * scale + whole


def steps_of(defined):
    return {entry["step_slug"]: entry for entry in defined.definition.to_json()["steps"]}


def test_a_step_is_named_after_its_handler_and_takes_inputs_by_parameter_name():
    @flow
    def wired(n: Node[int]) -> Node[int]:
        return step(two, step(one, n), n)

    steps = steps_of(wired)
    assert list(steps) == ["one", "two"]
    assert steps["two"]["deps"] == ["one"]
    assert steps["two"]["params"] == {"a": "one", "b": "run"}
    assert steps["two"]["needs_run_input"] is True
    assert wired.slug == wired.definition.flow_slug == "wired"


def test_eight_inputs():
    @flow
    def wide(n: Node[int]) -> Node[int]:
        return step(eight, *[step(one, n, slug=f"s{i}") for i in range(8)])

    assert steps_of(wide)["eight"]["deps"] == [f"s{i}" for i in range(8)]
    assert wide.run_inline(2) == 16


def test_the_same_node_twice_is_one_dependency():
    @flow
    def doubled(n: Node[int]) -> Node[int]:
        a = step(one, n)
        return step(two, a, a)

    assert steps_of(doubled)["two"]["deps"] == ["one"]
    assert steps_of(doubled)["two"]["params"] == {"a": "one", "b": "one"}
    assert doubled.run_inline(4) == 8


def test_positional_only_parameters():
    @flow
    def placed(n: Node[int]) -> Node[int]:
        return step(positional, n, const(1))

    assert placed.run_inline(5) == 4


def test_a_flow_and_its_steps_may_have_no_input():
    @flow
    def constant() -> Node[int]:
        return step(zero)

    assert steps_of(constant)["zero"] == {
        "step_slug": "zero",
        "step_type": "single",
        "deps": [],
        "params": {},
        "executor": "local",
        "handler": f"{__name__}:zero",
    }
    assert constant.definition.input_schema is None
    assert constant.encode_input(None) == "{}"
    assert constant.run_inline(None) == 0


def test_constants_are_stored_as_json_of_the_parameters_type():
    @flow
    def fixed(n: Node[int]) -> Node[int]:
        return step(two, n, const(3))

    assert steps_of(fixed)["two"]["params"] == {"a": "run", "b": {"const": 3}}
    assert fixed.run_inline(4) == 7


def test_a_step_of_constants_alone():
    @flow
    def fixed() -> Node[int]:
        return step(two, const(1), const(2))

    assert fixed.run_inline(None) == 3


def test_a_constant_that_does_not_fit_its_parameter_is_refused():
    @flow(slug="f")
    def wrong(n: Node[int]) -> Node[int]:
        return step(two, n, const("three"))

    with pytest.raises(DefinitionError, match="flow 'f', step 'two': the constant for parameter 'b'"):
        _ = wrong.definition


def test_after_orders_without_data():
    @flow
    def ordered(n: Node[int]) -> Node[int]:
        first = step(zero)
        return step(one, n, after=[first])

    assert steps_of(ordered)["one"]["deps"] == ["zero"]
    assert steps_of(ordered)["one"]["params"] == {"a": "run"}


@pytest.mark.parametrize("after", [7, [7], ["zero"]])
def test_after_takes_nodes(after):
    with pytest.raises(DefinitionError, match="takes nodes, not"):

        @flow
        def wrong(n: Node[int]) -> Node[int]:
            return step(one, n, after=after)


def test_after_takes_steps_only():
    with pytest.raises(DefinitionError, match=r"option 'after': takes nodes of steps, not the input of flow"):

        @flow
        def wrong(n: Node[int]) -> Node[int]:
            return step(zero, after=[n])


def test_a_step_without_inputs_does_not_take_one_by_accident():
    # Such a step is stored without params, and a worker then binds by name.
    with pytest.raises(
        DefinitionError, match="parameter 'zero' would take the result of the step of that name"
    ):

        @flow
        def accident() -> Node[int]:
            first = step(zero)
            return step(only_optional, after=[first])


def test_a_default_stays_when_a_dependency_has_the_parameters_name():
    @flow
    def defaulted(n: Node[int]) -> Node[int]:
        first = step(zero)
        return step(optional, n, after=[first])

    assert defaulted.run_inline(1) == 6


@pytest.mark.parametrize("value", [5, None, "n", [1]])
def test_values_are_no_nodes(value):
    with pytest.raises(DefinitionError, match=r"takes nodes, not .*: wrap a value in const"):

        @flow
        def wrong(n: Node[int]) -> Node[int]:
            return step(two, n, value)


def test_the_same_handler_twice_asks_for_a_slug():
    with pytest.raises(DefinitionError, match=r"step 'one' is already defined: .* slug="):

        @flow
        def wrong(n: Node[int]) -> Node[int]:
            return step(one, step(one, n))

    @flow
    def right(n: Node[int]) -> Node[int]:
        return step(one, step(one, n), slug="again")

    assert list(steps_of(right)) == ["one", "again"]


@pytest.mark.parametrize("slug", ["run", "item", "a-b", "", "1"])
def test_bad_slugs_are_refused(slug):
    with pytest.raises(DefinitionError, match="slug"):

        @flow
        def wrong(n: Node[int]) -> Node[int]:
            return step(one, n, slug=slug)

    with pytest.raises(DefinitionError, match="slug"):

        @flow(slug=slug)
        def wrong_too(n: Node[int]) -> Node[int]:
            return step(one, n)


def test_a_node_of_another_flow_is_refused():
    leaked = []

    @flow
    def first(n: Node[int]) -> Node[int]:
        leaked.append(step(one, n))
        leaked.append(n)
        return leaked[0]

    def taking(node):
        return lambda n: step(two, n, node)

    for node in leaked:
        with pytest.raises(DefinitionError, match=r"flow 'second': .* a node of another flow"):
            flow(slug="second")(taking(node))

    with pytest.raises(DefinitionError, match="a node of another flow"):

        @flow
        def third(n: Node[int]) -> Node[int]:
            return leaked[0]


def test_a_flow_may_be_defined_while_another_one_is():
    inner = []

    @flow
    def outer(n: Node[int]) -> Node[int]:
        before = step(one, n)

        @flow(slug="inner")
        def nested(m: Node[int]) -> Node[int]:
            return step(one, m)

        inner.append(nested)
        return step(two, before, n)

    assert list(steps_of(outer)) == ["one", "two"]
    assert list(steps_of(inner[0])) == ["one"]


@pytest.mark.parametrize("call", [lambda: step(zero), lambda: map_step(one, const([1]))])
def test_steps_are_made_in_the_body_of_a_flow_only(call):
    with pytest.raises(DefinitionError, match="only in the body of a function decorated with @flow"):
        call()


def test_the_builder_is_left_when_the_body_fails():
    with pytest.raises(ZeroDivisionError):

        @flow
        def broken(n: Node[int]) -> Node[int]:
            raise ZeroDivisionError

    with pytest.raises(DefinitionError, match="only in the body"):
        step(zero)


def test_the_body_of_a_flow_is_no_coroutine():
    with pytest.raises(DefinitionError, match="flow 'wrong': is async, but its body only wires steps"):

        @flow
        async def wrong(n: Node[int]) -> Node[int]:
            return step(one, n)


def test_a_flow_has_one_input_at_most():
    with pytest.raises(DefinitionError, match="takes 2 parameters: a flow has one input at most"):

        @flow
        def wrong(a: Node[int], b: Node[int]) -> Node[int]:
            return step(two, a, b)


def test_a_flow_decorates_a_function():
    with pytest.raises(DefinitionError, match="decorates a function"):
        flow(3)


def test_a_flow_without_steps_is_refused():
    @flow
    def empty(n: Node[int]) -> None:
        return None

    with pytest.raises(DefinitionError, match="has no steps"):
        _ = empty.definition


class TestMaps:
    def test_over_the_flows_input(self):
        @flow
        def mapped(items: Node[list[int]]) -> Node[list[int]]:
            return map_step(one, items)

        entry = steps_of(mapped)["one"]
        assert entry["step_type"] == "map"
        assert entry["map_over"] == "run"
        assert entry["params"] == {"a": "item"}
        assert "needs_run_input" not in entry
        assert mapped.run_inline([3, 1, 2]) == [3, 1, 2]

    def test_over_a_step_with_further_inputs(self):
        @flow
        def mapped(n: Node[int]) -> Node[list[int]]:
            return map_step(item_and, step(numbers, n), const(10), n)

        entry = steps_of(mapped)["item_and"]
        assert (entry["map_over"], entry["deps"]) == ("numbers", ["numbers"])
        assert entry["params"] == {"item": "item", "scale": {"const": 10}, "whole": "run"}
        assert entry["needs_run_input"] is True
        assert mapped.run_inline(3) == [3, 13, 23]

    def test_over_the_input_that_each_item_also_takes_whole(self):
        @flow
        def mapped(items: Node[list[int]]) -> Node[list[bool]]:
            return map_step(is_last, items, items)

        assert mapped.run_inline([1, 2, 3]) == [False, False, True]

    def test_over_a_map(self):
        @flow
        def mapped(n: Node[int]) -> Node[list[int]]:
            first = map_step(one, step(numbers, n))
            return map_step(item_and, first, const(2))

        assert steps_of(mapped)["item_and"]["map_over"] == "one"
        assert mapped.run_inline(4) == [0, 2, 4, 6]

    def test_over_a_constant_is_refused(self):
        with pytest.raises(DefinitionError, match="maps over a constant: return the list from a step"):

            @flow
            def wrong() -> Node[list[int]]:
                return map_step(one, const([1, 2]))

    def test_over_a_step_that_it_takes_whole_besides_is_refused(self):
        with pytest.raises(DefinitionError, match="takes it whole besides"):

            @flow
            def wrong(n: Node[int]) -> Node[list[bool]]:
                found = step(numbers, n)
                return map_step(is_last, found, found)


def is_last(n: int, numbers: list[int]) -> bool:
    return n == numbers[-1]


def test_conditions_make_their_nodes_dependencies():
    @flow
    def tested(n: Node[int]) -> Node[int | None]:
        flag = step(zero)
        return step(one, n, when=contains(flag, 0)).or_none()

    assert steps_of(tested)["one"]["deps"] == ["zero"]
