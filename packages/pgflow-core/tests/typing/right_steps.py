"""Steps of every number of inputs, sync and async, maps and constants."""

from __future__ import annotations

from typing import assert_type

from app import (
    Page,
    Receipt,
    Source,
    Summary,
    count,
    eight,
    eight_async,
    extract_keywords,
    publish,
    scrape,
    summarize,
    tick,
    tick_async,
    translate,
)
from pgflow import Node, const, flow, map_step, step


@flow
def steps(source: Node[Source]) -> Node[Receipt]:
    one = step(tick)
    other = step(tick_async)
    assert_type(one, Node[int])
    assert_type(other, Node[int])
    assert_type(step(eight, one, one, one, one, one, one, one, const("x")), Node[str])
    assert_type(step(eight_async, one, one, one, one, one, one, one, const("x")), Node[str])

    pages = step(scrape, source, after=[one, other])
    assert_type(pages, Node[list[Page]])
    summary = step(summarize, pages)
    assert_type(summary, Node[Summary])

    translated = map_step(translate, pages, const("en"))
    assert_type(translated, Node[list[Page]])
    keywords = map_step(extract_keywords, translated)
    assert_type(keywords, Node[list[str]])

    tolerant = map_step(extract_keywords, pages, slug="tolerant", max_failures=3).items_or_none()
    assert_type(tolerant, Node[list[str | None]])
    assert_type(step(count, tolerant), Node[int])
    assert_type(step(count, keywords, slug="count_all"), Node[int])
    assert_type(tolerant.or_none(), Node[list[str | None] | None])
    return step(publish, summary, keywords, const(True))


@flow
def over_the_input(pages: Node[list[Page]]) -> Node[list[str]]:
    return map_step(extract_keywords, pages)
