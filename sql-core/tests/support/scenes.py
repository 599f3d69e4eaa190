"""Runs in the middle of their lives, and the verbs that meet on their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from .definitions import Json, flow, map_step, step
from .engine import Engine, complete_report, reference, release_report

Row = Any
LONG, SHORT = 5000.0, 50.0
LATER = 40.0
"""A sweep that met a locked row looks again after a second, and after 30 whatever others have swept."""


@dataclass
class Scene:
    """One run of a flow of its own, with attempts in hand."""

    slug: str
    run_id: UUID
    tasks: dict[str, Row] = field(default_factory=dict)
    stuck: str | None = None
    """A step that stays behind until start_step, as nothing but a hand in the database can bring about."""

    def take(self, tasks: Sequence[Row]) -> None:
        """Keep claimed attempts by step slug, or `slug[index]` for map items."""
        for task in tasks:
            single = task.step_type == "single"
            self.tasks[task.step_slug if single else f"{task.step_slug}[{task.task_index}]"] = task

    def state(self, engine: Engine) -> list[str]:
        """Return everything that a reader can see of the flow and its runs, without ids and times."""
        return sorted(
            f"{row.what}: {row.value}"
            for row in engine.rows(
                """select 'flow' as what, jsonb_build_array(f.flow_version, f.is_active) as value
                   from pgflow.flows f where f.flow_slug = %s
                   union all
                   select 'run', jsonb_build_array(r.status, r.output, r.error ->> 'code', r.run_id = %s,
                     p.run_id is not null)
                   from pgflow.runs r left join pgflow.paused_runs p on p.run_id = r.run_id
                   where r.flow_slug = %s
                   union all
                   select 'step', jsonb_build_array(s.step_slug, s.status, s.skip_reason, s.output,
                     s.error ->> 'code', s.task_count)
                   from pgflow.step_states s where s.run_id = %s
                   union all
                   select 'task', jsonb_build_array(t.step_slug, t.task_index, t.status, t.attempt,
                     t.failures, t.launch_failures, t.worker_id, t.output, t.error ->> 'code')
                   from pgflow.step_tasks t where t.run_id = %s
                   union all
                   select 'attempt', jsonb_build_array(a.step_slug, a.task_index, a.attempt, a.outcome,
                     a.error ->> 'code')
                   from pgflow.step_task_attempts a where a.run_id = %s
                   union all
                   select 'executor', jsonb_build_array(e.executor, e.pause_reason)
                   from pgflow.executors e where e.paused_at is not null
                   union all
                   select 'grace', to_jsonb(extract(epoch from m.lease_grace_until - pgflow.clock())::int)
                   from pgflow.sweep_marks m where m.lease_grace_until > pgflow.clock()""",
                *(self.slug, self.run_id, self.slug, self.run_id, self.run_id, self.run_id),
                role="pgflow_owner",
            )
        )


def running(engine: Engine, slug: str) -> Scene:
    """A run with an attempt of every kind: of single steps, of maps, lapsed, launched, queued, delayed."""
    engine.define_json(_rich(slug))
    scene = Scene(slug, engine.run(slug, [1, 2, 3], idempotency_key="key"))
    scene.take(engine.claim(100, lease=LONG))
    engine.complete(scene.tasks["src"], [1, 2])
    scene.take(engine.claim(100, lease=LONG))
    scene.take(engine.claim(1, executor="brief", lease=SHORT))
    scene.take(engine.claim(1, executor="far", mode="launch"))
    engine.complete(scene.tasks["m[0]"])
    engine.release(scene.tasks["q"], scene.tasks["n[2]"])
    return scene


def paused(engine: Engine, slug: str) -> Scene:
    """The same run, paused."""
    scene = running(engine, slug)
    engine.rows("select pgflow.pause_run(%s)", scene.run_id)
    return scene


def ended(engine: Engine, slug: str) -> Scene:
    """The same run, failed: with completed, failed, cancelled and skipped steps."""
    scene = running(engine, slug)
    engine.complete(scene.tasks["a"], 1)
    engine.fail(scene.tasks["z"], retryable=False)
    return scene


def stuck(engine: Engine, slug: str) -> Scene:
    """A run in which a step was left behind, beside one that works and one that waits for it."""
    engine.define_json(flow(slug, step("a"), step("b", "a"), step("c"), step("end", "b"), timeout=LONG))
    scene = Scene(slug, engine.run(slug), stuck="b")
    scene.take(engine.claim(2, lease=LONG))
    engine.complete(scene.tasks["a"], 1)
    with engine.transaction():
        engine.rows("delete from pgflow.ready_tasks where run_id = %s", scene.run_id)
        engine.rows(
            """update pgflow.run_steps set status = 'pending', started_at = null
               where run_id = %s and step_slug = 'b'""",
            scene.run_id,
        )
    return scene


def wide(engine: Engine, slug: str) -> Scene:
    """A map so wide that its items are completed under the shared run lock."""
    items = map_step("w", "run", timeout=LONG, max_failures=1, jitter=0)
    engine.define_json(flow(slug, items, step("end", "w")))
    scene = Scene(slug, engine.run(slug, list(range(80))))
    scene.take(engine.claim(70, lease=LONG))
    return scene


def _rich(slug: str) -> Json:
    return flow(
        slug,
        step("src"),
        step("a"),
        step("z"),
        step("s", when_exhausted="skip_cascade"),
        map_step("m", "src"),
        map_step("n", "run", max_failures=1),
        step("q"),
        step("x", executor="brief"),
        step("l", executor="far"),
        step("late", start_delay=900),
        step("after_a", "a"),
        map_step("after_m", "m"),
        step("after_s", "s", "after_a"),
        step("end", "after_a", "after_m", "after_s", "n"),
        timeout=LONG,
        base_delay=900,
        max_delay=900,
        jitter=0,
    )


Call = Callable[[Engine, Scene], Json]


@dataclass(frozen=True)
class Verb:
    """A call, and what makes up for what it passed over because somebody held it, if it ever does."""

    call: Call
    again: Call | None = None


def _names(tasks: Sequence[Row]) -> list[str]:
    return sorted(f"{task.step_slug}[{task.task_index}] #{task.attempt}" for task in tasks)


def _claim(engine: Engine, _scene: Scene) -> list[str]:
    return _names(engine.claim(100, worker="worker-2", lease=LONG))


def _claim_later(engine: Engine, scene: Scene) -> list[str]:
    engine.wait(LATER)
    return _claim(engine, scene)


def _exchange(engine: Engine, scene: Scene) -> list[str]:
    reports = [complete_report(scene.tasks["a"], 1), release_report(scene.tasks["n[1]"])]
    rows = engine.exchange(reports, 100, worker="worker-2", lease=LONG)
    answers = [f"{row.ordinal}: {row.status}" for row in rows if row.kind == "report"]
    return answers + _names([row for row in rows if row.kind == "task"])


def _maintain(engine: Engine, _scene: Scene) -> None:
    engine.maintain()


def _maintain_later(engine: Engine, _scene: Scene) -> None:
    engine.wait(LATER)
    engine.maintain()


def _prune(engine: Engine, _scene: Scene) -> None:
    engine.value("select pgflow.prune_runs('1 second', 10)")


def _beat(engine: Engine, scene: Scene) -> Json:
    return tuple(engine.heartbeat(*scene.tasks.values()))


def _launch(**said: Json) -> Verb:
    return Verb(lambda e, s: e.launches(reference(s.tasks["l"]) | said))


def _one(query: str) -> Verb:
    return Verb(lambda e, s: str(e.value(f"select {query}", s.run_id)))


def _started(engine: Engine, scene: Scene) -> Json:
    started = engine.start(scene.slug, [1, 2, 3], idempotency_key="key")
    return started.run_id == scene.run_id, started.flow_version, started.created


def _started_many(engine: Engine, scene: Scene) -> Json:
    rows = engine.run_many(scene.slug, [[1], [2]], idempotency_keys=["key", None])
    return [(row.ordinal, row.run_id == scene.run_id, row.created) for row in rows]


def _defined(engine: Engine, scene: Scene) -> Json:
    return engine.define(scene.slug, step("other"))[1:]


CLAIM = Verb(_claim, _claim_later)
MAINTAIN = Verb(_maintain, _maintain_later)
FLOW_VERBS = {
    "define_flow": Verb(_defined),
    "delete_flow": Verb(lambda e, s: e.rows("select pgflow.delete_flow(%s, true)::text", s.slug)),
    "run_flow": Verb(_started),
    "run_flows": Verb(_started_many),
}
RUN_VERBS = {
    "cancel_run": Verb(lambda e, s: e.cancel(s.run_id)),
    "pause_run": _one("pgflow.pause_run(%s)"),
    "resume_run": _one("pgflow.resume_run(%s)"),
}
TASK_VERBS = {
    "claim": CLAIM,
    "exchange": Verb(_exchange, _claim_later),
    "complete": Verb(lambda e, s: e.complete(s.tasks["a"], 1)),
    "complete an item": Verb(lambda e, s: e.complete(s.tasks["n[0]"], 1)),
    "complete the last item": Verb(lambda e, s: e.complete(s.tasks["m[1]"], 1)),
    "complete late": Verb(lambda e, s: e.complete(s.tasks["x"], 1)),
    "fail": Verb(lambda e, s: e.fail(s.tasks["a"])),
    "fail for good": Verb(lambda e, s: e.fail(s.tasks["z"], retryable=False)),
    "fail and skip": Verb(lambda e, s: e.fail(s.tasks["s"], retryable=False)),
    "fail an item": Verb(lambda e, s: e.fail(s.tasks["n[1]"], retryable=False)),
    "release": Verb(lambda e, s: e.release(s.tasks["a"], s.tasks["n[0]"])),
    "heartbeat": Verb(_beat, _beat),
    "start_step_task": Verb(lambda e, s: e.begin(s.tasks["l"], "here").status),
    "start elsewhere": Verb(lambda e, s: e.begin(s.tasks["l"], "there").status),
    "accept a launch": _launch(outcome="accepted", external_id="far-1"),
    "reject a launch": _launch(outcome="rejected", kind="transient"),
    "maintain": MAINTAIN,
}
OPERATOR_VERBS = {
    "start_step": Verb(
        lambda e, s: e.value("select pgflow.start_step(%s, %s)", s.run_id, s.stuck or "after_a")
    ),
    "pause_executor": Verb(lambda e, _: e.value("select pgflow.pause_executor('local', 'upkeep')")),
    "resume_executor": Verb(lambda e, _: e.value("select pgflow.resume_executor('local')")),
    "postpone_lease_expiry": Verb(
        lambda e, _: e.value(
            "select extract(epoch from pgflow.postpone_lease_expiry(500) - pgflow.clock())::int"
        )
    ),
}
RETRY_VERBS = {
    "retry_run": Verb(lambda e, s: e.retry(s.run_id)),
    "retry from a step": Verb(lambda e, s: e.retry(s.run_id, "m")),
}
WIDE_VERBS = {
    "complete an item": Verb(lambda e, s: e.complete(s.tasks["w[0]"], 1)),
    "complete its slot": Verb(lambda e, s: e.complete(s.tasks["w[16]"], 1)),
    "complete many": Verb(lambda e, s: e.report(complete_report(t, 2) for t in list(s.tasks.values())[:20])),
    "complete a slot": Verb(
        lambda e, s: e.report(complete_report(s.tasks[f"w[{i}]"]) for i in range(0, 65, 16))
    ),
    "fail an item": Verb(lambda e, s: e.fail(s.tasks["w[0]"], retryable=False)),
    "release": Verb(lambda e, s: e.release(s.tasks["w[0]"])),
    "heartbeat": Verb(_beat, _beat),
    "claim": CLAIM,
    "cancel_run": RUN_VERBS["cancel_run"],
}
SCENES: dict[str, tuple[Callable[[Engine, str], Scene], dict[str, Verb]]] = {
    "running": (running, TASK_VERBS | RUN_VERBS | FLOW_VERBS | OPERATOR_VERBS),
    "paused": (
        paused,
        RUN_VERBS | {name: TASK_VERBS[name] for name in ("claim", "complete", "release", "maintain")},
    ),
    "ended": (
        ended,
        RETRY_VERBS
        | FLOW_VERBS
        | {"prune_runs": Verb(_prune, _prune), "cancel_run": RUN_VERBS["cancel_run"]}
        | {
            name: TASK_VERBS[name] for name in ("claim", "complete", "fail for good", "heartbeat", "maintain")
        },
    ),
    "wide": (wide, WIDE_VERBS),
    "stuck": (
        stuck,
        {"start_step": OPERATOR_VERBS["start_step"], "complete": Verb(lambda e, s: e.complete(s.tasks["c"]))}
        | {"fail for good": Verb(lambda e, s: e.fail(s.tasks["c"], retryable=False))}
        | RUN_VERBS
        | {"claim": CLAIM, "maintain": MAINTAIN},
    ),
}
