create function pgflow._is_reset(run_id uuid, step_slug text, task_index int) returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return exists (
    select from pgflow.map_tasks t
    where t.run_id = _is_reset.run_id and t.step_slug = _is_reset.step_slug and t.task_index = _is_reset.task_index)
    or _is_reset.task_index = 0 and exists (
      select from pgflow.run_steps t join pgflow.steps s on s.step_id = t.step_id
      where t.run_id = _is_reset.run_id and t.step_slug = _is_reset.step_slug and s.step_type = 'single' and t.attempt > 0);
end
$$;

comment on function pgflow._is_reset(uuid, text, int) is 'Whether a task ran before retry_run put its step back, and has not started again.';
