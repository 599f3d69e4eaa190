"""Conditions: their spelling, the JSON they become, and patterns that can never match."""

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

import pytest
from pgflow import DefinitionError, Node, const, contains, flow, map_step, step
from pydantic import BaseModel, Field


class Kind(Enum):
    PDF = "pdf"


@dataclass
class Tag:
    name: str


@dataclass
class Document:
    kind: Kind
    pages: int = 1
    tags: list[Tag] | None = None
    extra: dict[str, int] | None = None


class Aliased(BaseModel):
    page_count: int = Field(alias="pageCount")


def work(d: Document) -> int:
    return d.pages


def aliased(d: Document) -> Aliased:
    return Aliased(pageCount=d.pages)


def anything(d: Document) -> Any:
    return {"free": d.pages}


def check(d: Document) -> bool:
    return d.pages > 1


def pages(d: Document) -> list[int]:
    return [d.pages]


def use(n: int) -> int:
    return n


def take(d: Document, flag: bool | None) -> str:
    return f"{d.pages} {flag}"


def options_of(make):
    @flow(slug="f")
    def tested(d: Node[Document]) -> None:
        make(d)

    return tested.definition.steps[-1].options


def test_when_and_unless_become_patterns_per_value():
    def make(d):
        count = step(work, d)
        step(
            take,
            d,
            const(True),
            when=contains(d, {"pages": 2}) & contains(count, 2),
            unless=contains(count, 3),
        )

    assert options_of(make) == {
        "required_input": {"run": {"pages": 2}, "work": 2},
        "forbidden_input": {"work": 3},
    }


def test_the_node_of_a_bool_is_a_condition():
    def make(d):
        flag = step(check, d)
        step(work, d, when=flag)

    assert options_of(make) == {"required_input": {"check": True}}


def test_patterns_may_hold_python_values():
    assert options_of(lambda d: step(work, d, when=contains(d, {"kind": Kind.PDF}))) == {
        "required_input": {"run": {"kind": "pdf"}}
    }
    assert options_of(lambda d: step(use, step(anything, d), unless=contains(d, Document(Kind.PDF)))) == {
        "forbidden_input": {"run": {"kind": "pdf", "pages": 1, "tags": None, "extra": None}}
    }
    day = {"free": date(2026, 1, 2)}
    assert options_of(lambda d: step(work, d, slug="w", when=contains(step(anything, d), day))) == {
        "required_input": {"anything": {"free": "2026-01-02"}}
    }


@pytest.mark.parametrize(
    "pattern", [{"kind": "pdf"}, {"tags": [{"name": "x"}]}, {"extra": {"any": 1}}, {"tags": None}, {}, 3, [1]]
)
def test_patterns_that_may_match_are_accepted(pattern):
    options_of(lambda d: step(work, d, when=contains(d, pattern)))


@pytest.mark.parametrize(
    ("pattern", "field", "known"),
    [
        ({"page": 1}, "page", "extra, kind, pages, tags"),
        ({"tags": [{"title": "x"}]}, r"tags\[\]\.title", "name"),
    ],
)
def test_patterns_that_never_match_are_refused(pattern, field, known):
    with pytest.raises(
        DefinitionError, match=f"option 'unless': .*there is no field '{field}', only {known}"
    ):
        options_of(lambda d: step(work, d, unless=contains(d, pattern)))


def test_patterns_see_the_aliases_that_json_has():
    options_of(lambda d: step(work, d, when=contains(step(aliased, d), {"pageCount": 1})))
    with pytest.raises(DefinitionError, match="there is no field 'page_count', only pageCount"):
        options_of(lambda d: step(work, d, when=contains(step(aliased, d), {"page_count": 1})))


def test_patterns_for_a_map_are_lists():
    def make(d):
        mapped = map_step(use, step(pages, d))
        step(work, d, when=contains(mapped, [3]))

    assert options_of(make) == {"required_input": {"use": [3]}}


@pytest.mark.parametrize("pattern", [object(), float("nan"), "\x00"])
def test_patterns_that_are_no_json_are_refused(pattern):
    with pytest.raises(DefinitionError, match="step 'work', option 'when': the pattern"):
        options_of(lambda d: step(work, d, when=contains(d, {"pages": pattern})))


@pytest.mark.parametrize("wrong", [True, {"kind": "pdf"}, "kind"])
def test_a_condition_is_made_with_contains(wrong):
    with pytest.raises(DefinitionError, match=r"option 'when': takes contains\(node, pattern\)"):
        options_of(lambda d: step(work, d, when=wrong))


def test_a_condition_tests_a_node_of_its_flow():
    with pytest.raises(DefinitionError, match="option 'when', takes nodes, not 3"):
        options_of(lambda d: step(work, d, when=contains(3, 3)))
    with pytest.raises(DefinitionError, match="option 'when': tests the constant 3"):
        options_of(lambda d: step(work, d, when=contains(const(3), 3)))


def test_one_value_is_tested_once():
    with pytest.raises(DefinitionError, match="tests the same value twice: put both into one pattern"):
        options_of(lambda d: step(work, d, when=contains(d, {"pages": 1}) & contains(d, {"kind": "pdf"})))


def test_a_condition_has_no_truth_value():
    with pytest.raises(DefinitionError, match="join with &"):
        options_of(lambda d: step(work, d, when=contains(d, 1) and contains(d, 2)))
