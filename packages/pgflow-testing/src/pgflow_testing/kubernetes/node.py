"""The one node: takes pods in, runs them, and has their logs."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

from pgflow_testing.kubernetes.containers import Container
from pgflow_testing.kubernetes.images import Images
from pgflow_testing.kubernetes.job_status import condition, set_condition
from pgflow_testing.kubernetes.objects import Object, part, parts, place
from pgflow_testing.kubernetes.pods import PodRun
from pgflow_testing.kubernetes.refusals import Refusal
from pgflow_testing.kubernetes.registry import Registry
from pgflow_testing.kubernetes.resources import NODE, POD
from pgflow_testing.kubernetes.selectors import matches
from pgflow_testing.kubernetes.store import Change, give_grace

__all__ = ["Node"]

_LOOK_SECONDS: Final = 0.1
_CHUNK: Final = 65_536
_CAPACITY: Final = {"cpu": "64", "memory": "64Gi", "pods": "1000", "ephemeral-storage": "64Gi"}


class Node:
    """Scheduler and kubelet in one; `folder` is where the pods work."""

    def __init__(
        self,
        registry: Registry,
        folder: Path,
        images: Images,
        labels: Mapping[str, str],
        extra: Mapping[str, str],
    ) -> None:
        self.name = "process-node"
        self._registry = registry
        self._store = registry.store
        self._folder = folder
        self._images = images
        self._labels = {"kubernetes.io/os": "linux", "kubernetes.io/hostname": self.name, **labels}
        self._extra = extra
        self._runs: dict[str, PodRun] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def register(self) -> None:
        """Tell the cluster of it."""
        node = self._registry.create(NODE, "", {"metadata": {"name": self.name, "labels": self._labels}})
        addresses = [{"type": "InternalIP", "address": "127.0.0.1"}]
        ready: Object = {"capacity": _CAPACITY, "allocatable": _CAPACITY, "addresses": addresses}
        set_condition(ready, "Ready", "KubeletReady")
        self._store.amend(NODE, node, lambda draft: draft.update(status=ready))

    def see(self, change: Change) -> None:
        """Take in a pod, or let one end."""
        if change.kind is not POD:
            return
        uid, run = change.item["metadata"]["uid"], self._runs.get(change.item["metadata"]["uid"])
        if change.after is None:
            if run is not None:
                run.stop(0)
                self._forget_later(uid)
            return
        pod = self._store.get(POD, *place(change.after))
        if pod is None or pod["metadata"]["uid"] != uid:
            return
        about = pod["metadata"]
        if run is not None and "deletionTimestamp" in about:
            run.stop(about.get("deletionGracePeriodSeconds") or 0)
        elif run is None and "deletionTimestamp" in about:
            # It never ran here: nothing has to end before it goes.
            self._store.amend(POD, pod, _end_unscheduled)
        elif run is None and pod["status"].get("phase") == "Pending":
            self._schedule(pod)

    async def close(self) -> None:
        """Kill all pods; raises what went wrong with them."""
        for run in self._runs.values():
            run.stop(0)
        await asyncio.gather(*self._tasks.values())

    def _schedule(self, pod: Object) -> None:
        why = self._unfit(pod)
        if why is not None:
            reason, message = why
            if condition(pod, "PodScheduled", "False") is None:
                self._registry.tell(pod, "Warning", "FailedScheduling", message, "default-scheduler")
                self._store.amend(
                    POD,
                    pod,
                    lambda draft: set_condition(draft["status"], "PodScheduled", reason, message, "False"),
                )
            return
        bound = self._store.amend(POD, pod, lambda draft: draft["spec"].update(nodeName=self.name))
        if bound is None:
            return
        uid = pod["metadata"]["uid"]
        run = PodRun(self._registry, bound, self._images, self._folder / uid, self._extra)
        self._runs[uid] = run
        self._tasks[uid] = asyncio.create_task(run.run())

    def _unfit(self, pod: Object) -> tuple[str, str] | None:
        """Say why no node takes a pod: (reason, message)."""
        spec, none = pod["spec"], "0/1 nodes are available: "
        if spec.get("nodeName") not in {None, self.name}:
            return "Unschedulable", f"{none}1 node(s) didn't match the requested node name."
        if spec.get("schedulingGates"):
            return "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates"
        if not matches(part(spec, "nodeSelector"), {"metadata": {"labels": self._labels}}):
            return "Unschedulable", f"{none}1 node(s) didn't match Pod's node affinity/selector."
        for container in spec["containers"]:
            wanted: dict[str, Any] = part(container, "resources", "limits")
            lacking = sorted(name for name in wanted if name not in _CAPACITY)
            if lacking:
                return "Unschedulable", f"{none}1 Insufficient {lacking[0]}."
        return None

    def _forget_later(self, uid: str) -> None:
        def forget(_: object) -> None:
            self._runs.pop(uid, None)
            self._tasks.pop(uid, None)
            shutil.rmtree(self._folder / uid, ignore_errors=True)

        self._tasks[uid].add_done_callback(forget)

    def log(self, pod: Object, query: Mapping[str, str]) -> bytes | AsyncIterator[bytes]:
        """Return the log of a container, or follow it; raises Refusal."""
        run = self._runs.get(pod["metadata"]["uid"])
        names = [each["name"] for each in pod["spec"]["containers"]]
        every = [*names, *(each["name"] for each in parts(pod, "spec", "initContainers"))]
        name = query.get("container") or (names[0] if len(names) == 1 else "")
        if name not in every:
            where = f"pod {pod['metadata']['name']}"
            told = f"a container name must be specified for {where}, choose one of: {names}"
            if name:
                told = f"container {name} is not valid for {where}"
            raise Refusal(400, "BadRequest", told)
        runs = run.containers.get(name, []) if run else []
        number = -2 if query.get("previous") == "true" else -1
        if len(runs) < -number:
            what = "previous terminated" if number == -2 else "waiting to start:"
            raise Refusal(
                400,
                "BadRequest",
                f'container "{name}" in pod "{pod["metadata"]["name"]}" is {what} not found',
            )
        container = runs[number]
        written = container.log.read_bytes()
        first = _cut(written, query)
        return _follow(container, first, len(written)) if query.get("follow") == "true" else first


async def _follow(container: Container, first: bytes, position: int) -> AsyncIterator[bytes]:
    with container.log.open("rb") as log:
        log.seek(position)
        if first:
            yield first
        while True:
            has_ended = "terminated" in container.state
            if part := log.read(_CHUNK):
                yield part
            elif has_ended:
                return
            else:
                await asyncio.sleep(_LOOK_SECONDS)


def _cut(text: bytes, query: Mapping[str, str]) -> bytes:
    if "tailLines" in query:
        lines = text.splitlines(keepends=True)
        text = b"".join(lines[len(lines) - min(int(query["tailLines"]), len(lines)) :])
    return text[: int(query["limitBytes"])] if "limitBytes" in query else text


def _end_unscheduled(pod: Object) -> None:
    give_grace(pod["metadata"], 0)
    if pod["status"].get("phase") == "Pending":
        pod["status"]["phase"] = "Failed"
