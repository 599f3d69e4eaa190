-- Of the tables, not of _tasks: a reader has no right to token_hash, which is part of that view.
create view pgflow.step_tasks with (security_invoker) as
select t.run_id, t.step_slug, t.task_index, t.status, t.attempt, t.failures, t.launch_failures, x.executor, t.worker_id, t.external_id,
  case when t.status = 'queued' then coalesce(t.visible_at, t.queued_at) end as visible_at,
  case when t.status in ('claimed', 'running') then t.lease_expires_at end as lease_expires_at,
  t.input, t.output, case when t.status <> 'completed' then t.error end as error, t.queued_at,
  case when t.status <> 'queued' then t.task_started_at end as started_at, t.finished_at
from (
    select r.run_id, r.step_slug, 0 as task_index, r.step_id,
      case r.status when 'running' then pgflow.live_status(r.lease_expires_at, r.task_started_at) when 'skipped' then 'failed'
        else r.status end as status,
      r.attempt, r.failures, r.launch_failures, r.worker_id, r.external_id, r.visible_at, r.lease_expires_at, null::jsonb as input,
      r.output, r.error, r.started_at as queued_at, r.task_started_at, r.finished_at
    from pgflow.run_steps r
      join pgflow.steps s on s.step_id = r.step_id
    where s.step_type = 'single' and r.started_at is not null
    union all
    select m.run_id, m.step_slug, m.task_index, m.step_id, coalesce(m.end_status, pgflow.live_status(m.lease_expires_at, m.task_started_at)),
      m.attempt, m.failures, m.launch_failures, m.worker_id, m.external_id, m.visible_at, m.lease_expires_at, m.input,
      m.output, m.error, r.started_at, m.task_started_at, m.finished_at
    from pgflow.map_tasks m
      join pgflow.run_steps r on r.run_id = m.run_id and r.step_slug = m.step_slug
    where r.started_at is not null) t
  join pgflow.steps x on x.step_id = t.step_id;

comment on view pgflow.step_tasks is 'One row a task: the only one of a single step that started (index 0), or one an item of a map step.';
comment on column pgflow.step_tasks.run_id is 'The run.';
comment on column pgflow.step_tasks.step_slug is 'The step.';
comment on column pgflow.step_tasks.task_index is 'Index of the map item; 0 for a single step.';
comment on column pgflow.step_tasks.status is 'queued, claimed (launched, not begun), running, completed, failed or cancelled.';
comment on column pgflow.step_tasks.attempt is 'Number of the latest attempt, +1 at each claim; 0 before the first.';
comment on column pgflow.step_tasks.failures is 'Attempts that failed, timed out or were lost since the run was last reopened; max_attempts is their limit.';
comment on column pgflow.step_tasks.launch_failures is 'Launches that came to nothing since then; 5 is their limit.';
comment on column pgflow.step_tasks.executor is 'Who runs it.';
comment on column pgflow.step_tasks.worker_id is 'Who claimed the latest attempt.';
comment on column pgflow.step_tasks.external_id is 'How the executor names the latest attempt.';
comment on column pgflow.step_tasks.visible_at is 'While queued: not to be claimed before.';
comment on column pgflow.step_tasks.lease_expires_at is 'While claimed or running: when the attempt counts as lost unless the lease is renewed.';
comment on column pgflow.step_tasks.input is 'The map item; null for a single step, whose input is put together at its claim.';
comment on column pgflow.step_tasks.output is 'SQL NULL: none yet. JSON null: an output that is null.';
comment on column pgflow.step_tasks.error is 'Of the latest attempt that failed; null once the task completed.';
comment on column pgflow.step_tasks.queued_at is 'When its step started.';
comment on column pgflow.step_tasks.started_at is 'When the latest attempt began; null while queued or claimed.';
comment on column pgflow.step_tasks.finished_at is 'When the task ended; null while it lives.';
