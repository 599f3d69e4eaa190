"""Values to JSON text and back, by type."""

import collections
import enum
import json
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, Literal, NamedTuple, Optional, TypeVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgflow import DefinitionError, Node, flow, step
from pgflow.codec import CodecError, Field, ObjectCodec, ValueCodec, handler_types, to_json_value
from pydantic import BaseModel, computed_field
from pydantic import Field as ModelField
from typing_extensions import TypedDict

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclass
class Page:
    text: str
    score: float = 0.0
    seen: Optional[datetime] = None  # noqa: UP045  (both spellings shall work)


@dataclass
class Tree:
    name: str
    children: "list[Tree]" = field(default_factory=list)


@dataclass
class Box(Generic[T]):
    content: T


class Model(BaseModel):
    page_count: int = ModelField(alias="pageCount")
    ratio: float | None = None

    @computed_field
    def double(self) -> int:
        return 2 * self.page_count


class Movie(TypedDict):
    title: str
    year: int


class Point(NamedTuple):
    x: int
    y: int


class Opaque:
    pass


ROUND_TRIPS = [
    (None, None, "null"),
    (int, 3, "3"),
    (int, 10**30, "1" + "0" * 30),
    (bool, False, "false"),
    (float, 1.5, "1.5"),
    (str, "é\U0001f600", '"é\U0001f600"'),
    (str, "\\u0000", '"\\\\u0000"'),
    (bytes, b"abc", '"abc"'),
    (Page, Page("a"), '{"text":"a","score":0.0,"seen":null}'),
    (
        list[Page],
        [Page("a", 1, datetime(2026, 1, 2, tzinfo=UTC))],
        '[{"text":"a","score":1.0,"seen":"2026-01-02T00:00:00Z"}]',
    ),
    (Tree, Tree("r", [Tree("c")]), '{"name":"r","children":[{"name":"c","children":[]}]}'),
    (Box[int], Box(3), '{"content":3}'),
    (Box[list[Page]], Box([]), '{"content":[]}'),
    (Model, Model(pageCount=3), '{"pageCount":3,"ratio":null,"double":6}'),
    (Movie, {"title": "t", "year": 1}, '{"title":"t","year":1}'),
    (Point, Point(1, 2), "[1,2]"),
    (Color, Color.RED, '"red"'),
    (Level, Level.HIGH, "3"),
    (Literal["a", "b"], "a", '"a"'),
    (Decimal, Decimal("1.10"), '"1.10"'),
    (UUID, UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    (date, date(2026, 1, 2), '"2026-01-02"'),
    (timedelta, timedelta(minutes=2), '"PT2M"'),
    (dict[int, str], {1: "a"}, '{"1":"a"}'),
    (set[int], {1}, "[1]"),
    (tuple[int, str], (1, "a"), '[1,"a"]'),
    (Sequence[int], [1, 2], "[1,2]"),
    (collections.deque[int], collections.deque([1]), "[1]"),
    (int | str | None, "x", '"x"'),
    (Any, {"a": [1, None, {"b": True}]}, '{"a":[1,null,{"b":true}]}'),
]


@pytest.mark.parametrize(("type_", "value", "text"), ROUND_TRIPS, ids=lambda v: str(v)[:40])
def test_a_value_is_encoded_and_decoded_again(type_, value, text):
    codec = ValueCodec(type_, "it")
    assert codec.encode(value) == text
    assert codec.decode(text) == value


REFUSED = [
    (str, None, "Input should be a valid string .got null."),
    (int, "x", "valid integer"),
    (Page, Page(3), "text: Input should be a valid string .got int."),
    (Page, {"score": 1}, "text: Field required"),
    (list[int], 3, "valid array"),
    (Any, object(), "has no JSON form"),
    (Any, Opaque(), "has no JSON form"),
    (bytes, b"\xff", "has no JSON form"),
    (float, float("nan"), "NaN or Infinity"),
    (Any, {"a": [float("inf")]}, "NaN or Infinity"),
    (Page, Page("a", float("-inf")), "NaN or Infinity"),
    (Model, Model(pageCount=1, ratio=float("nan")), "NaN or Infinity"),
    (Any, {float("nan")}, "NaN or Infinity"),
    (Decimal, Decimal("NaN"), "finite number"),
    (str, "a\x00", "NUL character"),
    (str, "\\\x00", "NUL character"),
    (dict[str, int], {"\x00": 1}, "NUL character"),
    (str, "\ud800", "lone surrogate"),
    (Any, ["\udfff"], "lone surrogate"),
    (Color, "red!", "'red'"),
]


@pytest.mark.parametrize(
    ("type_", "value", "message"), REFUSED, ids=lambda value: ascii(value).partition(" at 0x")[0][:40]
)
def test_what_json_or_the_type_cannot_carry_is_refused(type_, value, message):
    with pytest.raises(CodecError, match=message):
        ValueCodec(type_, "it").encode(value)


def test_what_refers_to_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(CodecError, match="refers to itself"):
        ValueCodec(Any, "it").encode(endless)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("type_", [Any, list[Any]])
def test_what_is_nested_too_deeply_to_be_read_again_is_refused(type_):
    codec = ValueCodec(type_, "it")
    assert codec.decode(codec.encode(nested(190))) == nested(190)
    for levels in (191, 230, 5000):
        with pytest.raises(CodecError, match="nested more than 190 levels deep"):
            codec.encode(nested(levels))


def test_a_null_beside_finite_numbers_is_fine():
    assert (
        ValueCodec(Any, "it").encode({"a": None, "b": {1.5}, "c": Decimal("NaN")})
        == '{"a":null,"b":[1.5],"c":"NaN"}'
    )


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=4), inner
        )
    ),
)


@given(json_values)
def test_json_values_pass_unchanged(value):
    codec = ValueCodec(Any, "it")
    text = codec.encode(value)
    assert json.loads(text) == value
    assert codec.decode(text) == value


@given(st.text())
def test_a_text_is_refused_exactly_if_postgresql_cannot_store_it(text):
    bad = "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text)
    codec = ValueCodec(str, "it")
    if bad:
        with pytest.raises(CodecError):
            codec.encode(text)
    else:
        assert codec.decode(codec.encode(text)) == text


@given(
    st.recursive(
        st.floats(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner)
    )
)
def test_numbers_are_refused_exactly_if_one_is_not_finite(value):
    def finite(v):
        if isinstance(v, float):
            return v - v == 0
        return all(map(finite, v.values() if isinstance(v, dict) else v))

    if finite(value):
        assert json.loads(ValueCodec(Any, "it").encode(value)) == value
    else:
        with pytest.raises(CodecError, match="NaN or Infinity"):
            ValueCodec(Any, "it").encode(value)


@pytest.mark.parametrize("type_", [Opaque, list[Opaque], dict[str, Opaque]])
def test_a_type_without_json_form_is_refused_with_the_mend(type_):
    with pytest.raises(
        DefinitionError, match=r"parameter 'x' has a type that has no JSON form: .*; use a dataclass"
    ):
        ValueCodec(type_, "parameter 'x'")


def test_the_path_leads_to_the_first_wrong_place():
    with pytest.raises(CodecError) as caught:
        ValueCodec(list[Page], "it").decode('[{"text":"a"},{"text":1,"score":"x"}]')
    assert caught.value.path == (1, "text")
    assert "1.score" in str(caught.value)


def test_many_problems_are_cut_short():
    with pytest.raises(CodecError, match="and 7 more"):
        ValueCodec(list[int], "it").decode(json.dumps(["x"] * 10))


class TestObjects:
    codec = ObjectCodec(
        {
            "a": Field(int, "run"),
            "b": Field(int | None, "dep"),
            "c": Field(Page, "other"),
            "d": Field(Any, "run"),
        },
        "it",
    )

    def test_fields_take_their_keys_and_others_are_ignored(self):
        decoded = self.codec.decode('{"run":1,"other":{"text":"x"},"dep":2,"more":[]}')
        assert decoded == {"a": 1, "b": 2, "c": Page("x"), "d": 1}

    def test_an_absent_key_is_none(self):
        assert self.codec.decode('{"run":1,"other":{"text":"x"}}')["b"] is None

    @pytest.mark.parametrize(
        ("text", "path"),
        [
            ('{"run":1}', ("c",)),
            ('{"run":1,"other":null}', ("other",)),
            ('{"run":"x","other":{"text":"x"}}', ("run",)),
            ('{"run":1,"other":{"text":2}}', ("other", "text")),
            ("[]", ()),
            ("{", ()),
        ],
    )
    def test_what_does_not_fit_is_refused(self, text, path):
        with pytest.raises(CodecError) as caught:
            self.codec.decode(text)
        assert caught.value.path == path


def plain(a, b: int): ...


def awaits() -> Awaitable[Page]: ...


async def coroutine(page: Page) -> list[Page]: ...


def generic(items: Sequence[T]) -> T: ...


def unresolved(a: "Missing") -> None: ...  # noqa: F821


def test_types_are_read_from_annotations():
    assert dict(handler_types(plain).parameters) == {"a": Any, "b": int}
    assert handler_types(plain).result is Any
    assert handler_types(awaits).result is Page
    assert handler_types(coroutine).result == list[Page]
    assert handler_types(generic).result is T
    assert handler_types(len).result is Any


def test_an_annotation_that_cannot_be_resolved_says_how_to_mend():
    with pytest.raises(
        DefinitionError, match=r"unresolved cannot be resolved: name 'Missing' .*TYPE_CHECKING"
    ):
        handler_types(unresolved)


def test_plain_json_of_any_value():
    assert to_json_value({"a": Page("x"), "b": Color.RED}) == {
        "a": {"text": "x", "score": 0.0, "seen": None},
        "b": "red",
    }


def opaque_parameter(a: Opaque) -> int: ...


def opaque_result(a: int) -> Opaque: ...


@pytest.mark.parametrize(
    ("handler", "what"),
    [
        (opaque_parameter, "parameter 'a' of"),
        (opaque_result, "the result of"),
        (unresolved, "name 'Missing' is not defined"),
    ],
)
def test_a_definition_refuses_types_without_json_form(handler, what):
    @flow(slug="f")
    def typed(n: Node[int]) -> Node[int]:
        return step(handler, n)

    with pytest.raises(DefinitionError, match=what) as caught:
        _ = typed.definition
    assert (caught.value.flow, caught.value.step) == ("f", handler.__name__)
