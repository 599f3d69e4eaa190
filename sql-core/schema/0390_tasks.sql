create view pgflow._tasks as
select t.run_id, t.step_slug, 0 as task_index, -1 as ready_index, t.step_id, t.queue_id, false as is_map, t.status = 'running' as is_live,
  case t.status
    when 'running' then pgflow.live_status(t.lease_expires_at, t.task_started_at)
    when 'skipped' then 'failed'
    else t.status
  end as status,
  t.attempt, t.failures, t.launch_failures, t.task_started_at, t.lease_expires_at, t.visible_at, t.token_hash, t.worker_id,
  t.external_id, t.instance_id, null::jsonb as input, t.output, t.error, t.started_at as queued_at, t.finished_at
from pgflow.run_steps t
  join pgflow.steps s on s.step_id = t.step_id
where s.step_type = 'single' and t.started_at is not null
union all
select t.run_id, t.step_slug, t.task_index, t.task_index, t.step_id, r.queue_id, true, t.end_status is null,
  coalesce(t.end_status, pgflow.live_status(t.lease_expires_at, t.task_started_at)),
  t.attempt, t.failures, t.launch_failures, t.task_started_at, t.lease_expires_at, t.visible_at, t.token_hash, t.worker_id,
  t.external_id, t.instance_id, t.input, t.output, t.error, r.started_at, t.finished_at
from pgflow.map_tasks t
  join pgflow.run_steps r on r.run_id = t.run_id and r.step_slug = t.step_slug
-- Not yet started again: its items are those of the round before.
where r.started_at is not null;

comment on view pgflow._tasks is 'Every task with the columns that only the engine may see.';
