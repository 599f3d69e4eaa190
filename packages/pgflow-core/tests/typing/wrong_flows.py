"""Wrong shapes of flows, inputs and results."""

from __future__ import annotations

from app import Page, Receipt, Source, Summary, scrape, summarize
from pgflow import AsyncClient, Client, Flow, Node, flow, run_inline, step
from right_flows import digest
from right_results import alone, pair


def two_inputs(a: Node[Source], b: Node[Page]) -> Node[Page]:
    return b


def plain_input(source: Source) -> Node[Source]:
    raise NotImplementedError


def plain_result(source: Node[Source]) -> Source:
    raise NotImplementedError


def plain_pair(source: Node[Source]) -> tuple[Node[Source], int]:
    raise NotImplementedError


flow(two_inputs)  # E  a flow has exactly one input
flow(plain_input)  # E  the body takes a node
flow(plain_result)  # E  the body returns nodes
flow(plain_pair)  # E  the body returns nodes
flow()(two_inputs)  # E  a flow has exactly one input

digest.run_inline("https://example.org")  # E  wrong run input
run_inline(digest, "https://example.org")  # E  wrong run input
digest.encode_input(None)  # E  wrong run input
alone.run_inline(3)  # E  a flow without input
title: int = digest.run_inline(Source("u")).title  # E  the run's result type is known
first, second, third = pair.run_inline(Source("u"))  # E  a pair
other: Flow[Page, Receipt] = digest  # E  another input
another: Flow[Source, Summary] = digest  # E  another output


def use(client: Client) -> None:
    client.start(digest, "https://example.org")  # E  wrong run input
    client.start(digest)  # E  missing run input
    client.start("digest", Source("u"))  # E  a slug where a flow is wanted
    client.start(digest, Source("u"), retries=3)  # E  unknown option
    number: int = client.start(digest, Source("u")).result()  # E  the run's result type is known
    print(number, client.start(pair, Source("u")).result()[2])  # E  a pair


async def use_async(client: AsyncClient) -> None:
    receipt: Receipt = (await client.start(digest, Source("u"))).result()  # E  not awaited
    print(receipt)
    await client.start(digest, Page("x"))  # E  wrong run input


@flow
def wrong_tuple(source: Node[Source]) -> tuple[Node[Summary], Node[list[Page]]]:
    pages = step(scrape, source)
    return pages, step(summarize, pages)  # E  swapped
