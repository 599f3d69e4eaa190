"""What a node refuses while a flow is being defined, and where a step says it runs."""

import copy
from datetime import timedelta

import pytest
from pgflow import DefinitionError, Node, const, flow, step
from pgflow.dsl import Target


def one(a: int) -> int:
    return a


class TestNodes:
    """A node has no value: reading one says what to do instead."""

    def body(self, use):
        @flow
        def read(n: Node[int]) -> Node[int]:
            use(step(one, n))
            return n

    @pytest.mark.parametrize(
        ("use", "message"),
        [
            (bool, "has no truth value"),
            (lambda node: node[0], "has no items"),
            (list, "map_step"),
            (lambda node: node or 0, "has no truth value"),
        ],
    )
    def test_reading_it_is_refused(self, use, message):
        with pytest.raises(DefinitionError, match=message):
            self.body(use)

    def test_its_attributes_do_not_exist(self):
        with pytest.raises(AttributeError, match="has no attribute 'text' while the flow is being defined"):
            self.body(lambda node: node.text)

    def test_it_says_what_it_stands_for(self):
        shown = []
        with pytest.raises(DefinitionError, match="a flow returns results of steps"):
            self.body(lambda node: shown.append(repr(node)))
        assert shown == ["<Node: step 'one' of flow 'read'>"]
        assert repr(const(3)) == "<Node: the constant 3>"

    def test_it_can_be_copied(self):
        def check(node):
            assert repr(copy.copy(node)) == repr(node)

        with pytest.raises(DefinitionError, match="results of steps"):
            self.body(check)


class TestTargets:
    def define(self, **options):
        @flow(slug="f", **options.pop("flow", {}))
        def placed(n: Node[int]) -> Node[int]:
            return step(one, n, **options)

        (entry,) = placed.definition.to_json()["steps"]
        return entry

    def test_a_target_names_executor_and_options(self):
        entry = self.define(runs_on=Target("gpu", {"cores": 4, "grace": timedelta(seconds=90)}))
        assert entry["executor"] == "gpu"
        assert entry["executor_options"] == {"cores": 4, "grace": "PT1M30S"}

    def test_the_flows_target_is_the_default(self):
        entry = self.define(flow={"runs_on": Target("gpu")})
        assert entry["executor"] == "gpu"
        assert "executor_options" not in entry
        assert self.define(flow={"runs_on": Target("gpu")}, runs_on=Target("cpu"))["executor"] == "cpu"

    @pytest.mark.parametrize("wrong", ["gpu", 3, Target(""), Target, object()])
    def test_what_is_no_target_is_refused(self, wrong):
        with pytest.raises(DefinitionError, match="flow 'f', step 'one', option 'runs_on': takes an object"):
            self.define(runs_on=wrong)

    def test_options_that_are_no_json_are_refused(self):
        with pytest.raises(DefinitionError, match="option 'runs_on': the options of executor 'gpu'"):
            self.define(runs_on=Target("gpu", {"f": object()}))
