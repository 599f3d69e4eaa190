"""Executors that break their contract, each with the checks of the kit that say so."""

SETUP = """
import asyncio, json, logging, uuid
from datetime import timedelta

import pytest
from pgflow.envelope import Envelope
from pgflow.executor import Accepted, Capability, Observation, Phase, Rejected, Unknown
from pgflow_testing.executor_suite import ExecutorConformance, configured
from pgflow_testing.executor_suite.reference import *
from pgflow_testing.executor_suite.reference import Busy, ConnectionDropped, NotPossible, NotAllowed


class Conformance(ExecutorConformance):
    mutant = None
    runs = 60

    @pytest.fixture
    def backend(self):
        return Cluster(uuid.uuid4().hex)

    @pytest.fixture
    def executor(self, backend):
        return configured(self.mutant, cluster=backend.name, request_timeout=4.0)

"""

#: Deliberately broken; each with the checks of the whole kit that say so.
BROKEN = {
    "RetriesByItself": (
        """
    async def launch(self, attempt):
        for _ in range(3):
            result = await super().launch(attempt)
            if isinstance(result, Accepted):
                break
        return result
""",
        {4, 5, 6, 7},
    ),
    "LetsExceptionsEscape": (
        """
    async def launch(self, attempt):
        async with asyncio.timeout(self.settings.request_timeout):
            uid = await self.cluster.create(self.job_name(attempt), self.body(attempt))
        return Accepted({"v": 1, "name": self.job_name(attempt), "uid": uid})
""",
        {2, 3, 4, 5, 6, 7, 13},
    ),
    "NamesAtRandom": (
        """
    def job_name(self, attempt):
        return uuid.uuid4().hex

    async def observe(self, refs):
        handles = [(ref.handle or {}).get("name", "") for ref in refs]
        found = await self.cluster.list([name for name in handles if name][:500])
        phases = [found[name].phase if name in found else Phase.NOT_FOUND for name in handles]
        return [Observation(ref, phase) for ref, phase in zip(refs, phases, strict=True)]

    async def cancel(self, ref, grace):
        await self.cluster.delete((ref.handle or {}).get("name", ""))
""",
        {2, 3},
    ),
}

#: Each with the checks that catch it.  There is one at least for each check.
MUTANTS = {
    "RetriesAfterALostAnswer": (
        """
    async def launch(self, attempt):
        result = await super().launch(attempt)
        return await super().launch(attempt) if isinstance(result, Unknown) else result
""",
        {6, 7},
    ),
    "RejectsWhatItCannotKnow": (
        """
    async def launch(self, attempt):
        result = await super().launch(attempt)
        return Rejected("transient", result.reason) if isinstance(result, Unknown) else result
""",
        {3, 7},
    ),
    "ForgetsRetryAfter": (
        """
    async def launch(self, attempt):
        result = await super().launch(attempt)
        return Rejected(result.kind, result.reason) if isinstance(result, Rejected) else result
""",
        {4},
    ),
    "CallsEveryRefusalTransient": (
        """
    async def launch(self, attempt):
        result = await super().launch(attempt)
        if isinstance(result, Rejected) and result.kind != "throttled":
            return Rejected("transient", result.reason)
        return result
""",
        {5},
    ),
    "ObserveRaisesForUnknown": (
        """
    async def observe(self, refs):
        seen = await super().observe(refs)
        if any(each.phase is Phase.NOT_FOUND for each in seen):
            raise LookupError("no such job")
        return seen
""",
        {8, 9, 10, 11, 13},
    ),
    "ObserveAsksOneByOne": (
        """
    async def observe(self, refs):
        return [(await super(ObserveAsksOneByOne, self).observe([ref]))[0] for ref in refs]
""",
        {9},
    ),
    "ObserveDropsWhatIsUnknown": (
        """
    async def observe(self, refs):
        return [each for each in await super().observe(refs) if each.phase is not Phase.NOT_FOUND]
""",
        {8, 9, 10, 11, 13},
    ),
    "CancelsOnce": (
        """
    async def cancel(self, ref, grace):
        if not await self.cluster.list([ref.external_id]):
            raise LookupError("no such job")
        await super().cancel(ref, grace)
""",
        {10, 13},
    ),
    "CancelsNothing": (
        """
    async def cancel(self, ref, grace):
        pass
""",
        {10},
    ),
    "KnowsOnlyItsOwn": (
        """
    async def start(self, ctx):
        await super().start(ctx)
        self.known = set()

    async def launch(self, attempt):
        self.known.add(attempt.external_id)
        return await super().launch(attempt)

    async def observe(self, refs):
        seen = await super().observe(refs)
        mine = [each.ref.external_id in self.known for each in seen]
        return [each if own else Observation(each.ref, Phase.UNKNOWN) for each, own in zip(seen, mine)]
""",
        {11},
    ),
    "LargeHandle": (
        """
    async def launch(self, attempt):
        result = await super().launch(attempt)
        return Accepted({**result.handle, "log": "x" * 5000}) if isinstance(result, Accepted) else result
""",
        {12},
    ),
    "TokenInItsRepr": (
        """
    async def launch(self, attempt):
        self.last = attempt.attempt_token
        return await super().launch(attempt)

    def __repr__(self):
        return f"<{type(self).__name__} {getattr(self, 'last', None)}>"
""",
        {13},
    ),
    "TokenInItsLog": (
        """
    async def launch(self, attempt):
        self.ctx.logger.debug("creating a job from %s", self.body(attempt))
        return await super().launch(attempt)
""",
        {13},
    ),
    "InputInItsMessages": (
        """
    async def launch(self, attempt):
        result = await super().launch(attempt)
        if isinstance(result, Rejected):
            return Rejected(result.kind, f"{result.reason}: {attempt.input}", result.retry_after)
        return result
""",
        {13},
    ),
    "TokenInTheNameOfAJob": (
        """
    def job_name(self, attempt):
        return f"{attempt.external_id}.{attempt.attempt_token}"

    async def observe(self, refs):
        names = {name.partition(".")[0]: name for name in self.cluster.jobs}
        found = await self.cluster.list([names.get(ref.external_id, "") for ref in refs][:500])
        jobs = [found.get(names.get(ref.external_id)) for ref in refs]
        return [Observation(ref, job.phase if job else Phase.NOT_FOUND) for ref, job in zip(refs, jobs)]

    async def cancel(self, ref, grace):
        for name in list(self.cluster.jobs):
            if name.partition(".")[0] == ref.external_id:
                await self.cluster.delete(name)
""",
        {13},
    ),
    "SendsTheInputAlong": (
        """
    def body(self, attempt):
        return Envelope.of(attempt, self.ctx.report_to, inline_input=attempt.input is not None).to_json()
""",
        {14},
    ),
    "LeavesATask": (
        """
    async def aclose(self):
        asyncio.create_task(asyncio.sleep(3600), name="keeper")
        await super().aclose()
""",
        {18},
    ),
    "LeavesAFile": (
        """
    async def aclose(self):
        import os
        os.open("/dev/null", os.O_RDONLY)
        await super().aclose()
""",
        {18},
    ),
    "KillsOnClosing": (
        """
    async def aclose(self):
        for name, job in self.cluster.jobs.items():
            job._post("fail", error={"code": "CLOSED", "message": "going"})
        await super().aclose()
""",
        {11, 18},
    ),
    "TakesAnyKey": (
        """
    class Settings(ClusterSettings):
        model_config = {"extra": "ignore"}
""",
        {19},
    ),
    "PretendsToLaunch": (
        """
    async def launch(self, attempt):
        return Accepted({"v": 1, "name": self.job_name(attempt)})
""",
        {1},
    ),
    "ForgetsWhoIsLate": (
        """
    async def launch(self, attempt):
        result = await super().launch(attempt)
        job = self.cluster.jobs[attempt.external_id]
        post = job._post
        job._post = lambda verb, **fields: None if verb == "complete" else post(verb, **fields)
        return result
""",
        {15},
    ),
    "SaysThatTheDeadRun": (
        """
    async def observe(self, refs):
        seen = await super().observe(refs)
        return [Observation(each.ref, Phase.RUNNING) for each in seen]
""",
        {8, 16},
    ),
    "LeavesWhatStandsStill": (
        """
    async def cancel(self, ref, grace):
        job = self.cluster.jobs.get(ref.external_id)
        if job is None or job.awake.is_set():
            await super().cancel(ref, grace)
""",
        {10},
    ),
    "KeepsItsSlots": (
        """
    taken = 0

    @property
    def capacity(self):
        return 1 - self.taken

    async def launch(self, attempt):
        self.taken += 1
        return await super().launch(attempt)
""",
        {17},
    ),
    "FailsWhatIsThrottled": (
        """
    async def launch(self, attempt):
        result = await super().launch(attempt)
        return Rejected("permanent", result.reason) if isinstance(result, Rejected) else result
""",
        {4, 5},
    ),
    "FailsInACrowd": (
        """
    launched = 0

    async def launch(self, attempt):
        self.launched += 1
        return await super().launch(attempt) if self.launched <= 5 else Rejected("permanent", "too many")
""",
        {20},
    ),
}

#: What these do wrong is seen by waiting in vain.
WAITED_FOR = {
    "PretendsToLaunch",
    "CancelsNothing",
    "ForgetsWhoIsLate",
    "KillsOnClosing",
    "SaysThatTheDeadRun",
    "LeavesWhatStandsStill",
}
