"""What the engine has stored against what the oracle says."""

from __future__ import annotations

from uuid import UUID

from ..oracle import Run
from .engine import Engine


def compare_steps(engine: Engine, runs: dict[UUID, Run]) -> None:
    """Compare how every step ended, or did not yet."""
    found = engine.rows(
        "select run_id, step_slug, status, skip_reason from pgflow.step_states where run_id = any(%s)",
        list(runs),
    )
    stored = {(row.run_id, row.step_slug): (row.status, row.skip_reason) for row in found}
    modelled = {
        (run_id, slug): (state.status, state.skip_reason)
        for run_id, run in runs.items()
        for slug, state in run.states.items()
    }
    assert stored == modelled, {
        key: (stored.get(key), modelled[key]) for key in modelled if stored.get(key) != modelled[key]
    }


def compare_everything(engine: Engine, runs: dict[UUID, Run]) -> None:
    """Compare outputs, tasks and history too."""
    compare_steps(engine, runs)
    for run_id, run in runs.items():
        stored = engine.stored_run(run_id)
        assert (stored.status, stored.output) == (run.status, run.output)
        assert (stored.error is None) == (run.status == "completed")
        history = engine.rows(
            """select step_slug, task_index, attempt, outcome from pgflow.step_task_attempts
               where run_id = %s""",
            run_id,
        )
        assert {tuple(row[:3]): row.outcome for row in history} == run.history
        for slug, state in run.states.items():
            if state.status == "completed":
                assert engine.step(run_id, slug).output == state.output
            if all(task.status != "reset" for task in state.tasks.values()):
                _compare_tasks(engine, run_id, run, slug)
        assert engine.violations(run_id) == []


def _compare_tasks(engine: Engine, run_id: UUID, run: Run, slug: str) -> None:
    modelled = {
        index: (
            "claimed" if task.launched and task.status == "running" else task.status,
            *(task.attempt, task.failures, task.launch_failures),
        )
        for index, task in run.states[slug].tasks.items()
    }
    stored = {
        t.task_index: (t.status, t.attempt, t.failures, t.launch_failures) for t in engine.tasks(run_id, slug)
    }
    assert stored == modelled, f"{slug}: stored {stored}, the oracle has {modelled}"


def stored(engine: Engine, run_id: UUID) -> list[str]:
    """Return each task of a run as stored, with the timers that look at the run."""
    rows = engine.rows(
        """select to_jsonb(t) - 'token_hash' || jsonb_build_object('timers', (
             select jsonb_agg(m) from pgflow.timers m where t.run_id = any (m.run_ids)))
           from pgflow._tasks t where t.run_id = %s order by t.step_slug, t.task_index""",
        run_id,
    )
    return [f"    stored: {row[0]}" for row in rows]
