"""Starting runs: the input is checked, and the result's type is known."""

from __future__ import annotations

from typing import assert_type

from app import Page, Receipt, Source, Summary
from pgflow import AsyncClient, AsyncRunHandle, Client, RunHandle, Task, current_task
from right_flows import digest
from right_results import alone, pair


def use(client: Client) -> None:
    handle = client.start(digest, Source("u"), priority=3, tags={"team": "x"})
    assert_type(handle, RunHandle[Receipt])
    assert_type(handle.result(timeout=3), Receipt)
    assert_type(client.start(pair, Source("u")).result(), tuple[list[Page], Summary])
    assert_type(client.start(alone, None).result(), int)
    assert_type(client.start_many(digest, [Source("u")]), list[RunHandle[Receipt]])


async def use_async(client: AsyncClient) -> None:
    handle = await client.start(digest, Source("u"))
    assert_type(handle, AsyncRunHandle[Receipt])
    assert_type(await handle.result(), Receipt)


def handler() -> int:
    task = current_task()
    assert_type(task, Task)
    assert_type(task.attempt, int)
    task.progress(1, 2)
    return task.attempt
