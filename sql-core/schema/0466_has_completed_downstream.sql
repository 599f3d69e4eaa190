create function pgflow._has_completed_downstream(run_id uuid, step_id int) returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return exists (
    with recursive downstream as (
      select d.step_id from pgflow.deps d where d.dep_id = _has_completed_downstream.step_id
      union
      select d.step_id from downstream u join pgflow.deps d on d.dep_id = u.step_id
    )
    select from downstream u join pgflow.run_steps t on t.step_id = u.step_id
    where t.run_id = _has_completed_downstream.run_id and t.status = 'completed');
end
$$;

comment on function pgflow._has_completed_downstream(uuid, int) is 'Whether something that depends on a step, directly or not, completed.';
