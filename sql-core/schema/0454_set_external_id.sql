create function pgflow._set_external_id(task pgflow._tasks, external_id text) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if task.is_map then
    update pgflow.map_tasks t set external_id = _set_external_id.external_id
    where t.run_id = task.run_id and t.step_slug = task.step_slug and t.task_index = task.task_index;
  else
    update pgflow.run_steps t set external_id = _set_external_id.external_id
    where t.run_id = task.run_id and t.step_slug = task.step_slug;
  end if;
end
$$;

comment on function pgflow._set_external_id(pgflow._tasks, text) is 'Keep the handle that the place of launch gave.';
