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
