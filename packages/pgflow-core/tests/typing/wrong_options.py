"""Options of the wrong type, unknown ones, and those that belong elsewhere."""

from __future__ import annotations

from app import NoTarget, Page, Source, extract_keywords, is_long, scrape, summarize
from pgflow import Node, contains, flow, map_step, step


@flow
def wrong(source: Node[Source]) -> None:
    pages = step(scrape, source)
    step(summarize, pages, timeout="120")  # E  option of the wrong type
    step(summarize, pages, retries=3)  # E  unknown option
    step(summarize, pages, max_attempts="3")  # E  option of the wrong type
    step(summarize, pages, backoff="linear")  # E  not one of the choices
    step(summarize, pages, when_exhausted="ignore")  # E  not one of the choices
    step(summarize, pages, when_unmet=None)  # E  not one of the choices
    step(summarize, pages, timeout=None)  # E  only heartbeat_timeout may be None
    step(summarize, pages, max_failures=1)  # E  of maps only
    step(summarize, pages, required_input={})  # E  written with when=
    step(summarize, pages, slug=3)  # E  option of the wrong type
    step(summarize, pages, after=pages)  # E  a list of nodes is wanted
    step(summarize, pages, after=["scrape"])  # E  nodes, not slugs
    step(summarize, pages, when={"url": "u"})  # E  written with contains()
    step(summarize, pages, when=pages)  # E  only the node of a bool is a condition
    step(summarize, pages, when=contains("scrape", {}))  # E  nodes, not slugs
    step(summarize, pages, when=step(is_long, pages, when_exhausted="skip").or_none())  # E  may be None
    step(summarize, pages, runs_on="lambda")  # E  an object, not a name
    step(summarize, pages, runs_on=NoTarget())  # E  no target
    step(summarize, pages, priority="high")  # E  option of the wrong type
    map_step(extract_keywords, pages, max_failures=0.5)  # E  option of the wrong type


flow(timeout="120")  # E  option of the wrong type
flow(retries=3)  # E  unknown option
flow(after=[])  # E  of steps only
flow("digest")  # E  slug= is meant


@flow(max_attempts=[3])  # E  option of the wrong type
def wrong_default(pages: Node[list[Page]]) -> Node[list[str]]:
    return map_step(extract_keywords, pages)
