"""The flows of many steps are what their workloads count."""

import json

import pytest

from benchmarks.drivers import flows, shapes


@pytest.fixture(params=shapes.STEPS_OF)
def slug(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_steps_that_run_are_those_that_are_counted(slug: str):
    steps = json.loads(flows.shape(slug))["steps"]
    skipped = [step for step in steps if "required_input" in step.get("options", {})]
    assert len(steps) - len(skipped) == shapes.STEPS_OF[slug]
    assert len(skipped) == (shapes.DIAMONDS if slug == "ladder" else 0)


def test_a_step_waits_only_for_steps_before_it(slug: str):
    seen: set[str] = set()
    for step in json.loads(flows.shape(slug))["steps"]:
        assert seen.issuperset(step["deps"])
        assert set(step["params"].values()) <= {*step["deps"], "run"}
        seen.add(step["step_slug"])


def test_a_result_comes_from_a_step_that_is_never_skipped():
    steps = json.loads(flows.shape("ladder"))["steps"]
    skipped = {step["step_slug"] for step in steps if "required_input" in step.get("options", {})}
    assert not skipped & {source for step in steps for source in step["params"].values()}
