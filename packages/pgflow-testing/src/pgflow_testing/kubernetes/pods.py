"""A pod as a node runs it, from its place there to its end."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from pgflow_testing.kubernetes.containers import Container, Unready
from pgflow_testing.kubernetes.images import Images, Unpullable
from pgflow_testing.kubernetes.job_status import set_condition
from pgflow_testing.kubernetes.objects import Object
from pgflow_testing.kubernetes.pod_status import final_phase, has_run, write_status
from pgflow_testing.kubernetes.registry import Registry
from pgflow_testing.kubernetes.resources import POD
from pgflow_testing.kubernetes.store import give_grace, now

__all__ = ["PodRun"]

_SOURCE: Final = "kubelet"
_LOOK_AGAIN: Final = 0.1
"""Seconds between two tries to get an image or a Secret."""

_FIRST_BACKOFF: Final = 10.0
_LONGEST_BACKOFF: Final = 300.0


class PodRun:
    """Runs the containers of one pod; `run` ends when the pod has."""

    def __init__(
        self, registry: Registry, pod: Object, images: Images, folder: Path, extra: Mapping[str, str]
    ) -> None:
        self.pod = pod
        self.containers: dict[str, list[Container]] = {}
        """Every run of each container, by name."""
        self._registry = registry
        self._images = images
        self._folder = folder
        self._extra = {"HOSTNAME": pod["metadata"]["name"], **extra}
        self._states: dict[str, Object] = {}
        self._restarts: Counter[str] = Counter()
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._grace = float(pod["spec"].get("terminationGracePeriodSeconds", 30))
        self._reason: tuple[str, str] | None = None

    def stop(self, grace: float) -> None:
        """Have it end: SIGTERM, and SIGKILL after the grace, which can only become shorter."""
        if grace < self._grace or not self._stopping.is_set():
            self._grace = grace
            if self._stopping.is_set():
                self._hurry.set()
        self._stopping.set()

    async def run(self) -> None:
        """Run it to its end, whatever that is."""
        self._folder.mkdir(parents=True)
        self._amend(_starts)
        limit = self.pod["spec"].get("activeDeadlineSeconds")
        loop = asyncio.get_running_loop()
        timer = None if limit is None else loop.call_later(limit, self._exceed)
        try:
            self._publish("Pending")
            if await self._initialize():
                await asyncio.gather(*map(self._keep, self.pod["spec"]["containers"]))
            await self._terminate()
        finally:
            if timer is not None:
                timer.cancel()
            self._signal(signal.SIGKILL)
        self._finish()

    def _exceed(self) -> None:
        told = "Pod was active on the node longer than the specified deadline"
        self._reason = ("DeadlineExceeded", told)
        self.stop(self._grace)

    async def _initialize(self) -> bool:
        for spec in self.pod["spec"].get("initContainers") or ():
            await self._keep(spec, is_init=True)
            if not has_run(self._states.get(spec["name"], {}), 0):
                return False
        return not self._stopping.is_set()

    async def _keep(self, spec: Object, *, is_init: bool = False) -> None:
        """Run a container, again if the pod's restartPolicy says so."""
        name, policy = spec["name"], self.pod["spec"]["restartPolicy"]
        while not self._stopping.is_set():
            container = await self._start(spec)
            if container is None:
                return
            await self._until(container.wait())
            self._note(spec, container.state)
            failed = not has_run(container.state, 0)
            if (
                self._stopping.is_set()
                or policy == "Never"
                or not (failed or (policy == "Always" and not is_init))
            ):
                return
            pause = min(_FIRST_BACKOFF * 2.0 ** self._restarts[name], _LONGEST_BACKOFF)
            told = f"back-off {pause:.0f}s restarting failed container={name}"
            self._note(spec, {"waiting": {"reason": "CrashLoopBackOff", "message": told}})
            await self._until(asyncio.sleep(pause))
            self._restarts[name] += 1

    async def _start(self, spec: Object) -> Container | None:
        """Start a container as soon as it can be; None if the pod is to end before."""
        is_again = False
        while not self._stopping.is_set():
            runs = self.containers.setdefault(spec["name"], [])
            container = Container(self._registry.store, self.pod, spec, self._folder, len(runs))
            try:
                entrypoint = self._images.pull(spec["image"])
                await container.start(entrypoint, self._extra)
            except Unpullable as error:
                self._wait_for_image(spec, error, is_again=is_again)
            except Unready as error:
                self._hinder(spec, "CreateContainerConfigError", str(error))
            else:
                runs.append(container)
                self._note(spec, container.state)
                return container
            is_again = True
            await self._until(asyncio.sleep(_LOOK_AGAIN))
        return None

    def _wait_for_image(self, spec: Object, error: Unpullable, *, is_again: bool) -> None:
        if is_again and not error.is_final:
            self._hinder(spec, "ImagePullBackOff", f'Back-off pulling image "{spec["image"]}": {error}')
        else:
            self._hinder(spec, error.reason, str(error))

    def _hinder(self, spec: Object, reason: str, message: str) -> None:
        state = {"waiting": {"reason": reason, "message": message}}
        if self._states.get(spec["name"]) != state:
            self._registry.tell(self.pod, "Warning", "Failed", f"Error: {message}", _SOURCE)
            self._note(spec, state)

    def _note(self, spec: Object, state: Object) -> None:
        self._states[spec["name"]] = state
        mains = [self._states.get(each["name"], {}) for each in self.pod["spec"]["containers"]]
        has_begun = any("running" in each or "terminated" in each for each in mains)
        self._publish("Running" if has_begun else "Pending")

    async def _terminate(self) -> None:
        """End what still runs: there is something only when the pod is to end early."""
        ends: asyncio.Future[Any] = asyncio.gather(
            *(each.wait() for runs in self.containers.values() for each in runs)
        )
        self._signal(signal.SIGTERM)
        while not ends.done():
            self._hurry.clear()
            hurry: asyncio.Future[Any] = asyncio.create_task(self._hurry.wait())
            await asyncio.wait((ends, hurry), timeout=self._grace, return_when=asyncio.FIRST_COMPLETED)
            if not hurry.done():
                self._signal(signal.SIGKILL)
            hurry.cancel()
        await ends

    def _signal(self, number: signal.Signals) -> None:
        for runs in self.containers.values():
            for container in runs:
                container.signal(number)

    def _finish(self) -> None:
        for name, runs in self.containers.items():
            if runs and "terminated" in runs[-1].state:
                self._states[name] = runs[-1].state
        phase = "Failed" if self._reason else final_phase(self.pod, self._states)
        self._publish(phase)
        self._amend(self._close)

    def _close(self, draft: Object) -> None:
        if self._reason is not None:
            draft["status"]["reason"], draft["status"]["message"] = self._reason
        if "deletionTimestamp" in draft["metadata"]:
            give_grace(draft["metadata"], 0)

    def _publish(self, phase: str) -> None:
        self._amend(lambda draft: write_status(draft, phase, self._states, self._restarts))

    def _amend(self, change: Callable[[Object], None]) -> None:
        self._registry.store.amend(POD, self.pod, change)

    async def _until(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for something that may be given up when the pod is to end."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.cancel():
            working.result()


def _starts(pod: Object) -> None:
    pod["status"].setdefault("startTime", now())
    set_condition(pod["status"], "PodScheduled")
