"""What the DSL says without a database is what the engine says: definitions, values, conditions, runs."""

import json
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pgflow import (
    Client,
    DefinitionError,
    Node,
    NonRetryable,
    RunFailed,
    const,
    contains,
    current_task,
    flow,
    map_step,
    step,
)
from pgflow.codec import CodecError, ValueCodec
from pgflow.compile import diff, to_sql
from pgflow.dsl.node import taken_of
from pgflow.graph import FlowDefinition, StepDefinition
from pgflow.jsonb import contains as jsonb_contains
from pgflow.runtime import Handler, failure_of, run_handler
from pgflow.runtime.context import Task

with_database = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

storable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=4)
# Beyond 1e15 jsonb writes a float without an exponent: it comes back as itself to a float, as an int to Any.
floats = st.floats(-1e15, 1e15)
scalars = st.none() | st.booleans() | st.integers(-3, 3) | floats | storable
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(storable, inner, max_size=3),
    max_leaves=6,
)


def seven(n: int) -> int:
    return 7


def join(behave: str, a: Any = "-", b: Any = "-") -> list[int]:
    """Give a short list that depends on all arguments, after failing as it is told."""
    fail(behave)
    return list(range(weight([a, b]) % 4))


def each(item: Any, behave: str, a: Any = "-") -> int:
    fail("fail" if behave == "odd" and weight(item) % 2 else behave)
    return weight([item, a])


def fail(behave: str) -> None:
    if behave == "fail":
        raise NonRetryable("told to")
    if behave == "flaky" and current_task().attempt == 1:
        raise ValueError("told to, once")


def weight(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(weight, value)) + len(value)
    if isinstance(value, int):
        return value
    return 5 if value is None else 11


def drive(connection, defined) -> None:
    """Run every ready task of a flow in this process until none is left."""
    while True:
        claimed = connection.execute(
            "select *, input::text as input_text, params::text as params_text "
            "from pgflow.claim_step_tasks('local', 'here', 50)"
        ).fetchall()
        if not claimed:
            return
        for row in claimed:
            report(connection, row, defined.placed_steps[row["step_slug"]])


def report(connection, row, placed) -> None:
    task = Task(row["run_id"], row["flow_slug"], row["step_slug"], row["task_index"], row["attempt"])
    key = [row["run_id"], row["step_slug"], row["task_index"], row["attempt_token"]]
    try:
        handler = Handler(placed.handler_ref, placed.handler)
        output = run_handler(handler, row["params_text"], row["input_text"], task=task)
    except Exception as error:
        failure = failure_of(error)
        connection.execute(
            "select pgflow.fail_step_task(%s, %s, %s, %s, %s, %s)",
            [*key, json.dumps(failure.error), failure.retryable],
        )
    else:
        connection.execute("select pgflow.complete_step_task(%s, %s, %s, %s, %s)", [*key, output])


@st.composite
def plans(draw):
    """Draw steps, each as (kind, taken, source, condition, options, behave)."""
    plan = []
    for index in range(draw(st.integers(1, 6))):
        earlier = st.integers(-1, index - 1)  # -1 is the flow's input
        is_map = draw(st.booleans())
        modes = st.sampled_from(["fail", "skip", "skip_cascade"])
        options: dict[str, Any] = {"when_exhausted": draw(modes), "max_attempts": draw(st.integers(1, 2))}
        condition = draw(
            st.none() | st.tuples(st.sampled_from(["when", "unless"]), earlier, st.integers(0, 2))
        )
        if condition:
            options["when_unmet"] = draw(modes)
        if is_map:
            options["max_failures"] = draw(st.integers(0, 2))
        taken = draw(st.lists(earlier, max_size=1 if is_map else 2))
        behave = draw(st.sampled_from(["ok", "ok", "ok", "fail", "flaky", "odd"]))
        plan.append((is_map, taken, draw(earlier), condition, options, behave))
    return plan


def build(plan):
    def body(source):
        nodes = [source]  # index -1 + 1

        def of(index, *, result=False):
            node = nodes[index + 1]
            placed = taken_of(node).step
            if placed and placed.has_holes:
                node = node.items_or_none()
            may_be_none = placed and (placed.may_be_absent if result else placed.skips)
            return node.or_none() if may_be_none else node

        for index, (is_map, taken, over, condition, options, behave) in enumerate(plan):
            given_options = {**options, "slug": f"s{index}"}
            if condition:
                kind, tested, pattern = condition
                given_options[kind] = contains(nodes[tested + 1], [pattern])
            if is_map:
                over_node = nodes[over + 1]
                placed = taken_of(over_node).step
                if placed and placed.has_holes:
                    over_node = over_node.items_or_none()
                plain = [of(i) for i in taken if placed is None or i != over]
                nodes.append(map_step(each, over_node, const(behave), *plain, **given_options))
            else:
                nodes.append(step(join, const(behave), *map(of, taken), **given_options))
        return {f"s{index}": of(index, result=True) for index in range(len(plan))}

    return flow(slug="agrees", base_delay=0)(body)


@with_database
@given(plan=plans(), value=st.lists(st.integers(0, 3), max_size=3))
def test_runs_end_as_run_inline_says(plan, value, pgflow_database, pgflow_connection):
    defined = build(plan)
    try:
        expected = defined.run_inline(value)
    except RunFailed as error:
        expected = error
    with Client(pgflow_database) as client:
        client.deploy(defined)
        handle = client.start(defined, value)
        drive(pgflow_connection, defined)
        if isinstance(expected, RunFailed):
            with pytest.raises(RunFailed) as failed:
                handle.result(timeout=0)
            same_step = failed.value.step_slug == expected.step_slug
            assert not same_step or failed.value.error["code"] == expected.error["code"]
        else:
            assert handle.result(timeout=0) == expected


@with_database
@given(value=values, pattern=values)
def test_containment_is_that_of_jsonb(value, pattern, pgflow_connection):
    row = pgflow_connection.execute(
        "select %s::jsonb @> %s::jsonb as holds", [json.dumps({"x": value}), json.dumps({"x": pattern})]
    ).fetchone()
    assert jsonb_contains(value, pattern) is row["holds"]


@with_database
@given(value=st.text(st.characters() | st.sampled_from("\x00\ud800\\u"), max_size=5) | values | st.floats())
def test_what_the_codec_writes_is_what_jsonb_stores(value, pgflow_connection):
    codec = ValueCodec(float if isinstance(value, float) else Any, "a value")
    try:
        text = codec.encode(value)
    except CodecError:
        text = json.dumps(value)
        with pytest.raises(psycopg.DataError):
            pgflow_connection.execute("select %s::jsonb", [text])
        return
    row = pgflow_connection.execute("select %s::jsonb::text as stored", [text]).fetchone()
    assert codec.decode(row["stored"]) == value


@with_database
@given(
    slug=st.text(st.sampled_from("ab_Z09-é \n"), max_size=4)
    | st.sampled_from(["run", "item", "runs", "x" * 128, "x" * 129])
)
def test_slugs_are_refused_alike(slug, pgflow_connection):
    document = {"flow_slug": "slugs", "steps": [{"step_slug": slug}]}
    try:

        @flow(slug="slugs")
        def named(n: Node[int]) -> Node[int]:
            return step(seven, n, slug=slug)
    except DefinitionError:
        with pytest.raises(psycopg.Error) as refused:
            pgflow_connection.execute("select pgflow.define_flow(%s)", [json.dumps(document)])
        assert refused.value.sqlstate == "PF001"
    else:
        pgflow_connection.execute("select pgflow.define_flow(%s)", [json.dumps(document)])


numbers = st.one_of(
    st.sampled_from([-101, -100, -1, 0, 1, 100, 101, 0.5, 1e-6, 1e-7, 1_000_000, 1_000_001, 1e9, 1e9 + 1]),
    st.sampled_from([315_360_000, 315_360_001, None, "fail", "skip", "fixed", "exponential", True]),
)
ENGINE_OPTIONS = [
    "max_attempts",
    "base_delay",
    "max_delay",
    "backoff",
    "jitter",
    "timeout",
    "start_delay",
    "launch_timeout",
    "heartbeat_timeout",
    "when_exhausted",
    "when_unmet",
    "priority",
]


@settings(with_database, max_examples=200)
@given(option=st.sampled_from(ENGINE_OPTIONS), value=numbers)
def test_options_are_refused_alike(option, value, pgflow_connection):
    document = {"flow_slug": "options", "options": {option: value}, "steps": [{"step_slug": "s"}]}
    try:

        @flow(slug="options", **{option: value})
        def optioned(n: Node[int]) -> None:
            step(seven, n, slug="s")
    except DefinitionError:
        if isinstance(value, float) and value == int(value) and option in {"max_attempts", "priority"}:
            return  # 1e9 is a whole number to jsonb, and a float to Python
        with pytest.raises(psycopg.Error) as refused:
            pgflow_connection.execute("select pgflow.define_flow(%s)", [json.dumps(document)])
        assert refused.value.sqlstate == "PF001"
    else:
        pgflow_connection.execute("select pgflow.define_flow(%s)", [json.dumps(document)])


@flow(max_attempts=4)
def everything(numbers: Node[list[int]]) -> tuple[Node[int | None], Node[list[int | None]]]:
    first = step(seven, const(1))
    maybe = step(
        seven,
        const(2),
        slug="maybe",
        when=contains(numbers, [1]) & contains(first, 7),
        unless=contains(first, 8),
    )
    mapped = map_step(each, numbers, const("odd"), numbers, max_failures=9, after=[maybe]).items_or_none()
    return maybe.or_none(), mapped


def test_the_script_defines_the_flow_and_running_it_again_changes_nothing(pgflow_connection):
    script = everything.to_sql()
    first = pgflow_connection.execute(script).fetchone()
    again = pgflow_connection.execute(script).fetchone()
    assert first == {"flow_slug": "everything", "flow_version": 1, "created": True}
    assert again == {"flow_slug": "everything", "flow_version": 1, "created": False}


def test_the_script_is_the_definition_the_client_deploys(pgflow_database, pgflow_connection):
    pgflow_connection.execute(everything.to_sql())
    with Client(pgflow_database) as client:
        assert client.deploy(everything).created is False


def test_what_the_engine_stored_has_no_difference(pgflow_connection):
    pgflow_connection.execute(everything.to_sql())
    row = pgflow_connection.execute("select definition from pgflow.flows").fetchone()
    assert diff(row["definition"], everything.definition.to_json()) == []


@pytest.mark.parametrize(
    "text", ["$pgflow$", "$pgflow$ $pgflow1$", "'; drop schema pgflow cascade; --", "\\u0041"]
)
def test_no_value_breaks_out_of_the_script(text, pgflow_connection):
    step_ = StepDefinition("s", "single", "m:f", params={"a": {"const": text}})
    definition = FlowDefinition("quoted", (step_,))
    pgflow_connection.execute(to_sql(definition))
    row = pgflow_connection.execute("select definition from pgflow.flows").fetchone()
    assert row["definition"]["steps"][0]["params"] == {"a": {"const": text}}


def test_a_run_of_everything(pgflow_database, pgflow_connection):
    with Client(pgflow_database) as client:
        client.deploy(everything)
        handle = client.start(everything, [1, 2])
        drive(pgflow_connection, everything)
        result = handle.result(timeout=0)
    assert result == everything.run_inline([1, 2])
    assert result[0] == 7
