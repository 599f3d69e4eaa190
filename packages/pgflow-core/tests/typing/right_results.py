"""What flows may return, and take."""

from __future__ import annotations

from typing import assert_type

from app import Page, Source, Summary, scrape, summarize, tick, tick_async
from pgflow import Flow, Node, flow, step


@flow
def pair(source: Node[Source]) -> tuple[Node[list[Page]], Node[Summary]]:
    pages = step(scrape, source)
    return pages, step(summarize, pages)


@flow
def triple(source: Node[Source]) -> tuple[Node[list[Page]], Node[Summary], Node[int]]:
    pages = step(scrape, source)
    return pages, step(summarize, pages), step(tick)


@flow
def named(source: Node[Source]) -> dict[str, Node[int]]:
    return {"first": step(tick), "second": step(tick_async)}


@flow
def nothing(source: Node[Source]) -> None:
    step(scrape, source)


@flow
def alone() -> Node[int]:
    return step(tick)


@flow(priority=3)
def alone_pair() -> tuple[Node[int], Node[int]]:
    return step(tick), step(tick_async)


@flow
def alone_nothing() -> None:
    step(tick)


assert_type(pair, Flow[Source, tuple[list[Page], Summary]])
assert_type(triple, Flow[Source, tuple[list[Page], Summary, int]])
assert_type(named, Flow[Source, dict[str, int]])
assert_type(nothing, Flow[Source, None])
assert_type(alone, Flow[None, int])
assert_type(alone_pair, Flow[None, tuple[int, int]])
assert_type(alone_nothing, Flow[None, None])
assert_type(pair.run_inline(Source("u")), tuple[list[Page], Summary])
assert_type(alone.run_inline(None), int)
