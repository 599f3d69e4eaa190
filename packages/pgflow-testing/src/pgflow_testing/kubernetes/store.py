"""What the server holds: objects, each of a version, and the history that watches go on from.

An object that is held is never changed, only replaced, so whoever has one has a snapshot.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import itertools
import json
import uuid
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from pgflow_testing.kubernetes.objects import Object, place
from pgflow_testing.kubernetes.refusals import Refusal
from pgflow_testing.kubernetes.resources import POD, Kind

__all__ = ["Change", "Page", "Store", "give_grace", "is_through", "now"]

_HISTORY: Final = 20_000
_PAGES: Final = 1_000
_FIRST_VERSION: Final = 100


def now() -> str:
    """The time, as objects tell it."""
    return _told(datetime.now(UTC))


def give_grace(about: Object, seconds: int) -> None:
    """Write into metadata that an object is to go: its deletion was asked for that long before it is due."""
    due, grace = about.get("deletionTimestamp"), about.get("deletionGracePeriodSeconds") or 0
    asked = datetime.now(UTC) if due is None else datetime.fromisoformat(due) - timedelta(seconds=grace)
    about["deletionTimestamp"] = _told(asked + timedelta(seconds=seconds))
    about["deletionGracePeriodSeconds"] = seconds


def _told(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Change:
    """One object became another: ADDED has none before, DELETED none after."""

    version: int
    kind: Kind
    before: Object | None
    after: Object | None

    @property
    def item(self) -> Object:
        """The object, as it is or was at last."""
        item = self.after or self.before
        assert item is not None
        return item


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, as all of it was at one version."""

    version: int
    items: Sequence[Object]
    token: str | None
    """What the next page is asked for with."""
    remaining: int


class Store:
    """Lives in one event loop; every method but `watch` is done at once."""

    def __init__(self) -> None:
        self.version = _FIRST_VERSION
        self._objects: defaultdict[Kind, dict[tuple[str, str], Object]] = defaultdict(dict)
        self._history: deque[Change] = deque(maxlen=_HISTORY)
        self._forgotten = self.version
        """What happened up to this version is not known any more."""
        self._pages: dict[str, tuple[int, Sequence[Object]]] = {}
        self._numbers = itertools.count(1)
        self._listeners: list[Callable[[Change], None]] = []

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Tell of each change from now on, at once; returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """Return an object, not to be changed."""
        return self._objects[kind].get((namespace, name))

    def all(self, kind: Kind, namespace: str = "") -> list[Object]:
        """Return all objects of a kind by name, not to be changed."""
        held = sorted(self._objects[kind].items())
        return [item for (place, _), item in held if not namespace or place == namespace]

    def page(self, items: Sequence[Object], limit: int) -> Page:
        """Return the beginning of a list, and keep the rest for as long as history is kept."""
        return self._page(self.version, items, limit)

    def next_page(self, token: str, limit: int) -> Page:
        """Go on with a list where it was; raises Refusal once that is forgotten."""
        try:
            told = cast("Object", json.loads(base64.b64decode(token, validate=True)))
            version = int(told["rv"])
        except (ValueError, KeyError, TypeError):
            raise Refusal(400, "BadRequest", "continue key is not valid") from None
        if token not in self._pages or version < self._forgotten:
            message = (
                "The provided continue parameter is too old to display a consistent list result. "
                "You must start a new list without the continue parameter."
            )
            raise Refusal(410, "Expired", message)
        return self._page(*self._pages[token], limit)

    def _page(self, version: int, items: Sequence[Object], limit: int) -> Page:
        if not limit or len(items) <= limit:
            return Page(version, items, None, 0)
        told = {"rv": version, "v": "meta.k8s.io/v1", "number": next(self._numbers)}
        token = base64.b64encode(json.dumps(told).encode()).decode()
        self._pages[token] = (version, items[limit:])
        if len(self._pages) > _PAGES:
            del self._pages[next(iter(self._pages))]
        return Page(version, items[:limit], token, len(items) - limit)

    def forget(self) -> None:
        """Compact: what watches and pages would go on from is gone."""
        self._forgotten = self.version
        self._history.clear()
        self._pages.clear()

    def add(self, kind: Kind, item: Object) -> Object:
        """Hold a new object from now on; returns it as it is held."""
        item = copy.deepcopy(item)
        item["metadata"] |= {"creationTimestamp": now(), "generation": 1}
        item["metadata"].setdefault("uid", str(uuid.uuid4()))
        return self._put(kind, None, item)

    def replace(self, kind: Kind, item: Object) -> Object:
        """Hold another version of an object; what ends thereby is removed."""
        before = self._objects[kind][place(item)]
        item = copy.deepcopy(item)
        item["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
        if item == before:
            return before
        if item.get("spec") != before.get("spec"):
            item["metadata"]["generation"] = before["metadata"].get("generation", 1) + 1
        held = self._put(kind, before, item)
        return self.remove(kind, held) if is_through(kind, held) else held

    def amend(self, kind: Kind, item: Object, change: Callable[[Any], object]) -> Object | None:
        """Change the latest version of an object in place; None if it is gone."""
        held = self.get(kind, *place(item))
        if held is None or held["metadata"]["uid"] != item["metadata"]["uid"]:
            return None
        draft = copy.deepcopy(held)
        change(draft)
        return self.replace(kind, draft)

    def remove(self, kind: Kind, item: Object) -> Object:
        """Hold an object no more."""
        before = self._objects[kind].pop(place(item))
        self.version += 1
        last = copy.deepcopy(before)
        last["metadata"]["resourceVersion"] = str(self.version)
        self._tell(Change(self.version, kind, last, None))
        return last

    def _put(self, kind: Kind, before: Object | None, item: Object) -> Object:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self._objects[kind][place(item)] = item
        self._tell(Change(self.version, kind, before, item))
        return item

    def _tell(self, change: Change) -> None:
        if len(self._history) == self._history.maxlen:
            self._forgotten = self._history[0].version
        self._history.append(change)
        for listener in tuple(self._listeners):
            listener(change)

    async def watch(self, kind: Kind, since: int) -> AsyncIterator[Change]:
        """Yield what happens to a kind after a version; raises Refusal if that is forgotten."""
        if since < self._forgotten:
            message = f"too old resource version: {since} ({self._forgotten})"
            raise Refusal(410, "Expired", message)
        changes: asyncio.Queue[Change] = asyncio.Queue()
        for change in self._history:
            if change.version > since:
                changes.put_nowait(change)
        stop = self.listen(changes.put_nowait)
        try:
            while True:
                change = await changes.get()
                if change.kind is kind:
                    yield change
        finally:
            stop()


def is_through(kind: Kind, item: Object) -> bool:
    """Say whether nothing stands between an object that is to go and its end."""
    about = item["metadata"]
    if "deletionTimestamp" not in about or about.get("finalizers"):
        return False
    return kind is not POD or not about.get("deletionGracePeriodSeconds")
