"""The input of a flow: its schema, its encoding, and what does not fit."""

import json
from dataclasses import dataclass, field

import pytest
from pgflow import DefinitionError, InputError, Node, flow, step
from pydantic import BaseModel
from pydantic import Field as ModelField


@dataclass
class Page:
    text: str


class Model(BaseModel):
    page_count: int = ModelField(alias="pageCount")


@dataclass
class Source:
    url: str
    pages: list[Page] = field(default_factory=list)


def visit(source: Source) -> int:
    return len(source.pages)


def visit_model(source: Model) -> int:
    return source.page_count


@flow
def crawl(source: Node[Source]) -> Node[int]:
    return step(visit, source)


@flow
def crawl_model(source: Node[Model]) -> Node[int]:
    return step(visit_model, source)


class TestFlowInput:
    def test_the_schema_is_that_of_the_input_type(self):
        schema = crawl.definition.input_schema
        assert schema["required"] == ["url"]
        assert schema["properties"]["url"]["type"] == "string"
        assert crawl_model.definition.input_schema["required"] == ["pageCount"]

    def test_an_input_without_annotation_has_no_schema(self):
        @flow
        def anything(source):
            return step(visit, source)

        assert anything.definition.input_schema is None
        assert anything.encode_input({"url": 3}) == '{"url":3}'

    def test_a_good_input_is_encoded(self):
        assert crawl.encode_input(Source("u")) == '{"url":"u","pages":[]}'
        assert json.loads(crawl_model.encode_input(Model(pageCount=1)))["pageCount"] == 1

    @pytest.mark.parametrize(
        "text", ["[1.10000000000000000001, 1e2]", '{"b": [0.1], "a": 12345678901234567890}']
    )
    def test_json_text_keeps_every_digit_where_its_type_changes_nothing(self, text):
        @flow
        def anything(source):
            return step(visit, source)

        assert anything.encode_json_input(text) == text

    @pytest.mark.parametrize(
        ("text", "stored"),
        [
            ('{"pages": [], "url": "u"}', '{"pages": [], "url": "u"}'),
            ('{"url": "u"}', '{"url":"u","pages":[]}'),
            ('{"url": "u", "pages": [], "more": 1}', '{"url":"u","pages":[]}'),
        ],
    )
    def test_json_text_is_written_anew_where_its_type_changes_something(self, text, stored):
        assert crawl.encode_json_input(text) == stored

    def test_json_text_of_another_type_names_the_field(self):
        with pytest.raises(InputError, match="the input of flow 'crawl' is not valid") as caught:
            crawl.encode_json_input('{"url": 3}')
        assert caught.value.field == "url"

    @pytest.mark.parametrize(
        ("value", "path"),
        [
            (Source(3), "url"),
            (Source("u", [Page(1)]), "pages.0.text"),
            ({"pages": []}, "url"),
            ("u", ""),
            (None, ""),
            (Source("\x00"), ""),
        ],
    )
    def test_a_bad_input_names_the_field(self, value, path):
        with pytest.raises(InputError, match="the input of flow 'crawl' is not valid") as caught:
            crawl.encode_input(value)
        assert caught.value.field == path
        assert path in str(caught.value)

    def test_a_flow_without_input_takes_none(self):
        @flow
        def alone():
            return step(plain_result)

        assert alone.encode_input(None) == "{}"
        with pytest.raises(InputError, match="takes no input: give None"):
            alone.encode_input(3)
        assert alone.encode_json_input(" { } ") == alone.encode_json_input("null") == "{}"
        with pytest.raises(InputError, match="takes no input: leave it out"):
            alone.encode_json_input("3")

    def test_the_parameter_of_a_flow_is_a_node(self):
        @flow
        def wrong(source: Source) -> Node[int]:
            return step(visit, source)

        with pytest.raises(DefinitionError, match=r"parameter 'source' must be a Node\[...\]"):
            _ = wrong.definition


def plain_result():
    return 1
