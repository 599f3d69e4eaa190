create view pgflow.step_tasks as
select t.run_id, t.step_slug, t.task_index, t.status, t.attempt, t.failures, t.launch_failures, s.executor, t.worker_id, t.external_id,
  case when t.status = 'queued' then coalesce(t.visible_at, t.queued_at) end as visible_at,
  case when t.status in ('claimed', 'running') then t.lease_expires_at end as lease_expires_at,
  t.input, t.output, case when t.status <> 'completed' then t.error end as error, t.queued_at,
  case when t.status <> 'queued' then t.task_started_at end as started_at, t.finished_at
from pgflow._tasks t
  join pgflow.steps s on s.step_id = t.step_id;

comment on view pgflow.step_tasks is 'One row a task: the only one of a single step that started (index 0), or one an item of a map step.';
