"""The SQL script of a definition, and the difference of two definitions in words."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgflow.compile import diff, to_sql
from pgflow.graph import FlowDefinition, StepDefinition

STEPS = (
    StepDefinition("scrape", "single", "app:scrape", needs_run_input=True, params={"source": "run"}),
    StepDefinition(
        "words", "map", "app:words", ("scrape",), "scrape", params={"page": "item"}, executor="gpu"
    ),
    StepDefinition("tidy", "single", "app:tidy", options={"timeout": 5}),
)
FLOW = FlowDefinition("digest", STEPS, {"priority": 1}, {"properties": {"url": {"type": "string"}}}, "words")

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")) | st.sampled_from(
    ["$pgflow$", "$pgflow1$", "a$pgflow$b$pgflow1$", "$", "$$", "'", '"', "\\", "--", "\n"]
)


def literal_of(script):
    """Read the dollar-quoted literal as PostgreSQL does."""
    opening = re.search(r"\$[a-z0-9]*\$", script[script.index("define_flow(") :]).group()
    _, inside, rest = script.split(opening)
    assert rest == "::jsonb);\n"
    return json.loads(inside)


def test_the_script_reads_well():
    assert (
        to_sql(FLOW)
        == """\
-- Flow digest: 3 steps.
-- Running this again changes nothing; changed content becomes the flow's next version.
--
--   scrape  <- the input       local:app:scrape
--   words   <- each of scrape  gpu:app:words
--   tidy    <- nothing         local:app:tidy
select * from pgflow.define_flow($pgflow$
{
  "flow_slug": "digest",
  "options": {"priority": 1},
  "input_schema": {"properties": {"url": {"type": "string"}}},
  "returns": "words",
  "steps": [
    {
      "step_slug": "scrape",
      "step_type": "single",
      "deps": [],
      "needs_run_input": true,
      "params": {"source": "run"},
      "executor": "local",
      "handler": "app:scrape"
    },
    {
      "step_slug": "words",
      "step_type": "map",
      "deps": ["scrape"],
      "map_over": "scrape",
      "params": {"page": "item"},
      "executor": "gpu",
      "handler": "app:words"
    },
    {
      "step_slug": "tidy",
      "step_type": "single",
      "deps": [],
      "executor": "local",
      "handler": "app:tidy",
      "options": {"timeout": 5}
    }
  ]
}
$pgflow$::jsonb);
"""
    )


@pytest.mark.parametrize("name", ["a\nselect 1;", "a\r", "a\u2028b", "\x00"])
def test_no_name_ends_the_comment(name):
    script = to_sql(FlowDefinition("f", (StepDefinition("s", "single", "m:f", executor=name),)))
    header, _, _ = script.partition("select * from")
    assert all(line.startswith("--") for line in header.splitlines())
    assert "a?select 1;" in header or "\n" not in name


def test_a_map_over_the_input_says_so():
    steps = (StepDefinition("each", "map", "m:f", map_over="run", params={"a": "item"}),)
    assert "--   each  <- each of the input  local:m:f\n" in to_sql(FlowDefinition("f", steps))


@given(texts, st.dictionaries(texts, texts | st.integers() | st.none(), max_size=4))
def test_the_literal_holds_exactly_the_definition(text, options):
    steps = (StepDefinition("s", "single", "m:f", params={"x": {"const": [text, options]}}),)
    definition = FlowDefinition("f", steps)
    assert literal_of(to_sql(definition)) == definition.to_json()


@pytest.mark.parametrize("text", ["$pgflow$", "$pgflow$ $pgflow1$"])
def test_the_quote_cannot_be_closed_from_inside(text):
    script = to_sql(
        FlowDefinition("f", (StepDefinition("s", "single", "m:f", params={"x": {"const": text}}),))
    )
    tag = re.search(r"define_flow\((\$\w+\$)", script).group(1)
    assert script.count(tag) == 2


def changed(**changes):
    document = json.loads(json.dumps(FLOW.to_json()))
    for path, value in changes.items():
        *way, last = path.split("__")
        place = document
        for key in way:
            place = place[int(key) if key.isdigit() else key]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return document


def test_the_same_definition_has_no_difference():
    assert diff(FLOW.to_json(), FLOW.to_json()) == []


def test_what_the_engine_leaves_out_is_no_difference():
    stored = changed(steps__0__deps=..., steps__0__step_type=..., steps__2__deps=...)
    assert diff(stored, FLOW.to_json()) == []
    assert diff(FLOW.to_json(), stored) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"options__priority": 5}, ["flow: priority 1 -> 5"]),
        ({"options": ...}, ["flow: priority 1 -> default 0"]),
        ({"options__timeout": 5}, ["flow: timeout default 60 -> 5"]),
        ({"returns": "tidy"}, ['flow: returns "words" -> "tidy"']),
        ({"returns": ...}, ['flow: returns "words" -> null']),
        ({"input_schema__properties__n": {}}, ["flow: the input's type changed: +n"]),
        ({"input_schema__properties": {"n": {}}}, ["flow: the input's type changed: -url, +n"]),
        ({"input_schema__properties__url": {"type": "integer"}}, ["flow: the input's type changed: ~url"]),
        ({"input_schema__required": ["url"]}, ["flow: the input's type changed"]),
        ({"steps__2__options__timeout": 9}, ["step 'tidy': timeout 5 -> 9"]),
        ({"steps__2__options": ...}, ["step 'tidy': timeout 5 -> the flow's or 60"]),
        ({"steps__2__deps": ["scrape"]}, ["step 'tidy': now depends on 'scrape'"]),
        ({"steps__1__executor": "local"}, ['step \'words\': executor "gpu" -> "local"']),
        ({"steps__1__executor_options": {"n": 1}}, ["step 'words': executor options {} -> {\"n\": 1}"]),
        ({"steps__1__handler": "app:all"}, ['step \'words\': handler "app:words" -> "app:all"']),
        (
            {"steps__1__deps": [], "steps__1__map_over": "run"},
            ["step 'words': no longer depends on 'scrape'", 'step \'words\': maps over "scrape" -> "run"'],
        ),
        ({"steps__2__step_slug": "clean"}, ["step 'tidy': removed", "step 'clean': added"]),
    ],
)
def test_changes_are_put_in_words(changes, words):
    assert diff(FLOW.to_json(), changed(**changes)) == words


def test_a_new_flow_lists_its_steps():
    assert diff(None, FLOW.to_json()) == ["new flow with 3 steps: scrape, words, tidy"]


def test_an_added_step_names_what_it_follows():
    without = {**FLOW.to_json(), "steps": [FLOW.steps[0].to_json(), FLOW.steps[2].to_json()]}
    assert diff(without, FLOW.to_json()) == ["step 'words': added, after scrape"]


def test_another_order_of_steps_is_a_change():
    document = FLOW.to_json()
    turned = {**document, "steps": document["steps"][::-1]}
    assert diff(document, turned) == ["steps are listed in another order: tidy, words, scrape"]


def test_long_values_are_cut():
    (line,) = diff(FLOW.to_json(), changed(steps__0__params={"source": {"const": "x" * 500}}))
    assert len(line) < 200


@given(
    st.sampled_from([0, 1, 2]), st.sampled_from(["timeout", "max_attempts", "priority"]), st.integers(1, 9)
)
def test_every_change_of_content_is_told(place, option, value):
    new = changed(**{f"steps__{place}__options": {option: value}})
    assert bool(diff(FLOW.to_json(), new)) == (new != FLOW.to_json())
