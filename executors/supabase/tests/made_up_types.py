"""Python types made up at random, each with a value."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import typing
import uuid
from typing import Annotated, Any, Literal, NotRequired

import pydantic
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from typing_extensions import TypeAliasType, TypedDict

__all__ = ["made_up"]


class Colour(enum.Enum):
    RED = "red"
    BLUE = 'blue "\\'


class Level(enum.IntEnum):
    LOW = -1
    HIGH = 1


@dataclasses.dataclass
class Tree:
    """A node of a tree; */ ends no comment."""

    name: str
    left: Tree | None = None
    children: list[Tree] = dataclasses.field(default_factory=list)
    by_name: dict[str, Tree] = dataclasses.field(default_factory=dict)


Json = TypeAliasType("Json", "dict[str, Json] | list[Json] | str | int | float | bool | None")


class Chain(pydantic.RootModel[list["Chain"]]):
    pass


Pair = tuple[Any, st.SearchStrategy[Any]]
"""A type, and how to make values of it."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
TREES = st.recursive(
    st.builds(Tree, st.text(max_size=3)),
    lambda inner: st.builds(
        Tree,
        st.text(max_size=3),
        st.none() | inner,
        st.lists(inner, max_size=2),
        st.dictionaries(st.text(max_size=2), inner, max_size=2),
    ),
    max_leaves=3,
)
LEAVES: list[Pair] = [
    (int, st.integers(-(2**60), 2**60)),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (str, st.text(max_size=5)),
    (bool, st.booleans()),
    (None, st.none()),
    (bytes, st.text(max_size=3).map(str.encode)),
    (datetime.datetime, st.datetimes()),
    (datetime.date, st.dates()),
    (datetime.timedelta, st.timedeltas()),
    (decimal.Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (uuid.UUID, st.uuids()),
    (Colour, st.sampled_from(Colour)),
    (Level, st.sampled_from(Level)),
    (Literal["a", 'b"\n', 3, True, None], st.sampled_from(["a", 'b"\n', 3, True, None])),
    (Annotated[int, pydantic.Field(gt=0, description="more */ than none")], st.integers(1, 9)),
    (Any, JSON),
    (object, JSON),
    (Json, JSON),
    (Tree, TREES),
    (Chain, st.recursive(st.builds(list), lambda inner: st.lists(inner, max_size=2)).map(Chain)),
]
KEYS: list[Pair] = [
    (str, st.text(max_size=3)),
    (int, st.integers(0, 9)),
    (Colour, st.sampled_from(Colour)),
    (Literal["x", "y-z"], st.sampled_from(["x", "y-z"])),
]
NAMES = ["name", "class_", "default", "x1", "größe", "any", "__proto"]
TITLES = ["Record", "Array", "Flows", "Promise", "string_", "Größe", "Page", "Object"]


def either(types: list[Any]) -> Any:
    return typing.Union.__getitem__(tuple(types))  # `|` is not for texts


def lists(inner: Pair) -> Pair:
    return list[inner[0]], st.lists(inner[1], max_size=3)


def optional(inner: Pair) -> Pair:
    return either([inner[0], None]), st.none() | inner[1]


def tuples(inner: list[Pair]) -> Pair:
    return tuple[*(each[0] for each in inner)], st.tuples(*(each[1] for each in inner))


def rows(inner: Pair) -> Pair:
    return tuple[inner[0], ...], st.lists(inner[1], max_size=3).map(tuple)


def unions(inner: list[Pair]) -> Pair:
    # Only what stands first in a union is sure to be written as itself.
    return either([each[0] for each in inner]), inner[0][1]


def dicts(key_and_inner: tuple[Pair, Pair]) -> Pair:
    key, inner = key_and_inner
    return dict[key[0], inner[0]], st.dictionaries(key[1], inner[1], max_size=3)


def named(make):
    """Make a class with fields from a title and (field, type) pairs."""

    def build(title_and_fields: tuple[str, dict[str, Pair], set[str]]) -> Pair:
        title, fields, defaulted = title_and_fields
        return make(title, fields, defaulted)

    return build


def data(title: str, fields: dict[str, Pair], defaulted: set[str]) -> Pair:
    ordered = sorted(fields, key=lambda name: name in defaulted)
    made = dataclasses.make_dataclass(
        title,
        [
            (name, either([fields[name][0], None]), dataclasses.field(default=None))
            if name in defaulted
            else (name, fields[name][0])
            for name in ordered
        ],
    )
    return made, st.builds(made, **{name: fields[name][1] for name in fields})


def model(title: str, fields: dict[str, Pair], defaulted: set[str]) -> Pair:
    extra = "allow" if "x1" in fields else "forbid"
    given_fields = {
        name: (pair[0], pydantic.Field(alias=f"{name} (alias)") if name in defaulted else ...)
        for name, pair in fields.items()
        if not name.startswith("_")
    }
    made = pydantic.create_model(
        title, __config__=pydantic.ConfigDict(extra=extra, protected_namespaces=()), **given_fields
    )
    values = {(f"{name} (alias)" if name in defaulted else name): fields[name][1] for name in given_fields}
    return made, st.fixed_dictionaries(values).map(
        lambda given: made.model_construct(**_by_name(made, given))
    )


def _by_name(made: type[pydantic.BaseModel], given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[field.alias or name] for name, field in made.model_fields.items()}


def typed_dict(title: str, fields: dict[str, Pair], defaulted: set[str]) -> Pair:
    annotations = {
        name: NotRequired[pair[0]] if name in defaulted else pair[0] for name, pair in fields.items()
    }
    made = TypedDict(title, annotations)
    needed = {name: pair[1] for name, pair in fields.items() if name not in defaulted}
    others = {name: pair[1] for name, pair in fields.items() if name in defaulted}
    return made, st.fixed_dictionaries(needed, optional=others)


def composed(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    several = st.lists(inner, min_size=1, max_size=3)
    fields = st.tuples(
        st.sampled_from(TITLES),
        st.dictionaries(st.sampled_from(NAMES), inner, min_size=1, max_size=3),
        st.sets(st.sampled_from(NAMES)),
    )
    return st.one_of(
        inner.map(lists),
        inner.map(optional),
        inner.map(rows),
        several.map(tuples),
        several.map(unions),
        st.tuples(st.sampled_from(KEYS), inner).map(dicts),
        *(fields.map(named(make)) for make in (data, model, typed_dict)),
    )


PAIRS = st.recursive(st.sampled_from(LEAVES), composed, max_leaves=6)


def made_up(count: int) -> list[tuple[Any, Any]]:
    """Return types, each with a value; the same ones each time."""
    found: list[tuple[Any, Any]] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def collect(drawn: st.DataObject) -> None:
        type_, values = drawn.draw(PAIRS)
        found.append((type_, drawn.draw(values)))

    collect()
    return found
