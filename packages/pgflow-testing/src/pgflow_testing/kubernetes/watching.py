"""A watch: what happened to a kind since a version, as lines of JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

from pgflow_testing.kubernetes.objects import Object
from pgflow_testing.kubernetes.refusals import Refusal
from pgflow_testing.kubernetes.resources import Kind
from pgflow_testing.kubernetes.selectors import selecting
from pgflow_testing.kubernetes.store import Change, Store

__all__ = ["watch"]

_LONGEST: Final = 1800.0
_ALL_SENT: Final = "k8s.io/initial-events-end"


async def watch(
    store: Store, kind: Kind, namespace: str, query: Mapping[str, str], bookmark_every: float
) -> AsyncIterator[bytes]:
    """Yield events until `timeoutSeconds` are over; a version that is forgotten is told as an event, too."""
    is_selected = selecting(query.get("labelSelector", ""), query.get("fieldSelector", ""))

    def is_wanted(item: Object | None) -> bool:
        if item is None or (namespace and item["metadata"].get("namespace") != namespace):
            return False
        return is_selected(item)

    since = int(query.get("resourceVersion") or 0)
    is_list = query.get("sendInitialEvents") == "true"
    if is_list or not since:
        # Without a version it begins with what is there.
        since = store.version
        for item in filter(is_wanted, store.all(kind, namespace)):
            yield _line("ADDED", item)
    if is_list:
        yield _bookmark(kind, since, {"annotations": {_ALL_SENT: "true"}})
    lasts = float(query.get("timeoutSeconds") or _LONGEST)
    bookmarks = query.get("allowWatchBookmarks") in {"1", "true"}
    try:
        async for change in _paused(store.watch(kind, since), bookmark_every, lasts):
            line = (
                _event(change, is_wanted) if change else _bookmark(kind, store.version) if bookmarks else b""
            )
            if line:
                yield line
    except Refusal as refusal:
        yield _line("ERROR", refusal.body())


async def _paused(changes: AsyncIterator[Change], pause: float, lasts: float) -> AsyncIterator[Change | None]:
    """Yield changes for a time, and None whenever there was none for a while, and at the end."""
    time = asyncio.get_running_loop().time
    end = time() + lasts
    coming: asyncio.Future[Change] | None = None
    try:
        while (left := end - time()) > 0:
            coming = coming or asyncio.ensure_future(anext(changes))
            done, _ = await asyncio.wait({coming}, timeout=min(pause, left))
            if not done:
                yield None
                continue
            change, coming = coming.result(), None
            yield change
        yield None
    finally:
        if coming is not None:
            coming.cancel()


def _event(change: Change, is_wanted: Callable[[Object | None], bool]) -> bytes:
    """Say what a change is to one who sees only what is selected."""
    was, is_now = is_wanted(change.before), is_wanted(change.after)
    if is_now and change.after is not None:
        return _line("MODIFIED" if was else "ADDED", change.after)
    if was and change.before is not None:
        version = {"resourceVersion": str(change.version)}
        last = {**change.before, "metadata": {**change.before["metadata"], **version}}
        return _line("DELETED", last)
    return b""


def _bookmark(kind: Kind, version: int, marks: Object | None = None) -> bytes:
    about: Object = {"resourceVersion": str(version), **(marks or {})}
    return _line("BOOKMARK", {"kind": kind.name, "apiVersion": kind.api_version, "metadata": about})


def _line(kind: str, item: Object) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"
