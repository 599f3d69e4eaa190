create function pgflow._lock_task(run_id uuid, step_slug text, task_index int) returns pgflow._tasks
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_task pgflow._tasks;
begin
  perform from pgflow.map_tasks t
  where t.run_id = _lock_task.run_id and t.step_slug = _lock_task.step_slug and t.task_index = _lock_task.task_index
  for no key update;
  if not found then
    perform from pgflow.run_steps t
    where t.run_id = _lock_task.run_id and t.step_slug = _lock_task.step_slug
    for no key update;
  end if;
  select t.* into v_task from pgflow._tasks t
  where t.run_id = _lock_task.run_id and t.step_slug = _lock_task.step_slug and t.task_index = _lock_task.task_index;
  return v_task;
end
$$;

comment on function pgflow._lock_task(uuid, text, int) is 'Lock the row of one task and read it; a row of nulls if there is none.';
