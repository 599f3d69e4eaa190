create function pgflow._park_paused(run_ids uuid[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_runs uuid[];
begin
  -- Claims park without the run lock: this makes resume_run wait for them, and a pause that is being lifted is none.
  v_runs := array(
    select p.run_id from pgflow.paused_runs p where p.run_id = any (_park_paused.run_ids) order by p.run_id for key share skip locked);
  if cardinality(v_runs) = 0 then
    return;
  end if;
  -- A sequential scan: pausing is rare, and an index on run_id would cost every task.
  with moved as (
    delete from pgflow.ready_tasks t
    where t.ctid = any (array(select x.ctid from pgflow.ready_tasks x where x.run_id = any (v_runs) for update skip locked))
    returning t.run_id, t.step_id, t.task_index
  )
  insert into pgflow.parked_tasks (run_id, step_id, task_index)
  select m.run_id, m.step_id, m.task_index from moved m
  on conflict on constraint parked_tasks_pkey do nothing;
end
$$;

comment on function pgflow._park_paused(uuid[]) is 'Move ready tasks of those of these runs that are paused out of the way of claims.';
