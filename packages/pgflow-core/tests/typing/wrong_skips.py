"""Absent results where a value is wanted."""

from __future__ import annotations

from app import (
    Page,
    Receipt,
    Source,
    Summary,
    archive,
    count,
    extract_keywords,
    publish,
    scrape,
    summarize,
    tick,
)
from pgflow import Node, contains, flow, map_step, step


@flow
def wrong(source: Node[Source]) -> Node[Receipt]:
    pages = step(scrape, source)
    maybe = step(summarize, pages, when=contains(source, {})).or_none()
    keywords = map_step(extract_keywords, pages, max_failures=1).items_or_none()
    step(publish, maybe, step(extract_keywords, pages))  # E  twice wrong: None, and a list for an item
    step(publish, step(summarize, pages), keywords)  # E  None items where texts are wanted
    map_step(extract_keywords, map_step(summarize_one, pages).items_or_none())  # E  None for an item
    map_step(extract_keywords, pages.or_none())  # E  nothing to map over
    step(tick).items_or_none()  # E  no map
    step(count, keywords)
    step(archive, step(publish, step(summarize, pages), map_step(extract_keywords, pages)), maybe)
    return maybe  # E  not the declared output, and maybe None


def summarize_one(page: Page) -> Page:
    return page


@flow
def wrong_result(source: Node[Source]) -> Node[Summary]:
    return step(summarize, step(scrape, source), when_exhausted="skip").or_none()  # E  may be None
