"""Every line marked ``# E`` must be rejected by mypy and by pyright; no other line may be."""

from __future__ import annotations

from app import Page, Receipt, Source, archive, extract_keywords, publish, scrape, summarize, tick, translate
from pgflow import Node, const, flow, map_step, step


@flow
def wrong(source: Node[Source]) -> Node[Receipt]:
    pages = step(scrape, source)
    summary = step(summarize, pages)
    keywords = map_step(extract_keywords, pages)
    step(summarize, source)  # E  wrong upstream type
    step(extract_keywords, pages)  # E  a list where one item is wanted: map_step was meant
    map_step(extract_keywords, summary)  # E  mapping over something that is not a sequence
    map_step(summarize, pages)  # E  handler takes the whole list, not one item
    step(publish, keywords, summary)  # E  arguments swapped
    step(publish, summary)  # E  missing input
    step(publish, summary, keywords, pages)  # E  wrong type for the third parameter
    step(publish, summary.or_none(), keywords)  # E  skippable output into a required input
    step(summarize, [Page("x")])  # E  a value where a node is wanted
    step("summarize", pages)  # E  handlers are functions, not strings
    step(summarize(pages), pages)  # E  the handler was called
    print(summary.text)  # E  no value while defining
    print(pages[0])  # E  no value while defining
    print([1 for _ in pages])  # E  no items while defining
    step(tick, source)  # E  surplus input
    step(scrape)  # E  missing only input
    step()  # E  no handler
    map_step(tick, pages)  # E  a map's handler takes the item
    map_step(translate, pages)  # E  missing further input
    map_step(translate, pages, const(3))  # E  constant of the wrong type
    map_step(translate, pages, "en")  # E  a value where a node is wanted
    map_step(extract_keywords, [Page("x")])  # E  a list where a node is wanted
    step(publish, summary, keywords, const("yes"))  # E  constant of the wrong type
    step(archive, step(publish, summary, keywords), summary)
    step(publish, summary=summary, keywords=keywords)  # E  inputs are positional
    return summary  # E  not the declared output
