"""The example of the design: nothing here may be rejected, and each type is what it says."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

from app import (
    Lambda,
    Receipt,
    Source,
    Summary,
    archive,
    extract_keywords,
    is_long,
    publish,
    scrape,
    summarize,
)
from pgflow import Flow, Node, contains, flow, map_step, run_inline, step
from pgflow.dsl import Target


@flow
def digest(source: Node[Source]) -> Node[Receipt]:
    pages = step(scrape, source)
    summary = step(summarize, pages, max_attempts=5, timeout=timedelta(minutes=2))
    keywords = map_step(extract_keywords, pages, runs_on=Lambda(memory_mb=512))
    return step(publish, summary, keywords)


@flow(slug="archived", max_attempts=4, runs_on=Target("gpu", {"cores": 4}), backoff="fixed")
def digest_and_archive(source: Node[Source]) -> Node[None]:
    pages = step(scrape, source)
    summary = step(summarize, pages, when=contains(source, {"pages": 2}), when_unmet="skip").or_none()
    assert_type(summary, Node[Summary | None])
    headline = step(summarize, pages, slug="headline", heartbeat_timeout=None, jitter=0)
    receipt = step(publish, headline, map_step(extract_keywords, pages), after=[pages])
    return step(archive, receipt, summary)


@flow()
def long_only(source: Node[Source]) -> Node[Summary | None]:
    pages = step(scrape, source)
    return step(summarize, pages, when=step(is_long, pages), unless=contains(source, {"url": ""})).or_none()


assert_type(digest, Flow[Source, Receipt])
assert_type(digest_and_archive, Flow[Source, None])
assert_type(long_only, Flow[Source, Summary | None])
assert_type(run_inline(digest, Source("u")), Receipt)
assert_type(digest.run_inline(Source("u")), Receipt)
assert_type(digest.encode_input(Source("u")), str)
assert_type(digest.decode_output({}), Receipt)
assert_type(digest.slug, str)
