create function pgflow._end_map_task(task pgflow._tasks, step pgflow.steps, error jsonb, now timestamptz) returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_failed int;
begin
  update pgflow.map_tasks t
  set end_status = 'failed', failures = task.failures, launch_failures = task.launch_failures, error = _end_map_task.error,
    finished_at = _end_map_task.now, token_hash = null
  where t.run_id = task.run_id and t.step_slug = task.step_slug and t.task_index = task.task_index;
  update pgflow.map_counters c set remaining = c.remaining - 1
  where c.run_id = task.run_id and c.step_slug = task.step_slug and c.slot = task.task_index % 16;
  update pgflow.run_steps t set failed_tasks = coalesce(t.failed_tasks, 0) + 1
  where t.run_id = task.run_id and t.step_slug = task.step_slug
  returning t.failed_tasks into v_failed;
  if v_failed > step.max_failures then
    return step.when_exhausted;
  end if;
  return case when pgflow._complete_map_steps(array[task.run_id], array[task.step_slug], _end_map_task.now) is not null then 'completed' end;
end
$$;

comment on function pgflow._end_map_task(pgflow._tasks, pgflow.steps, jsonb, timestamptz) is
  'Fail an item of a map for good. Returns what that does to its step: null (nothing), completed (it was the last), or the policy when too many failed.';
