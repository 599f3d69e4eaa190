create function pgflow._park_paused(run_ids uuid[], only_new boolean) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_xid bigint := pg_current_xact_id()::text::bigint;
  v_runs uuid[];
  v_places tid[];
begin
  -- Claims park without the run lock: this makes resume_run wait for them, and a pause that is being lifted is none.
  v_runs := array(
    select p.run_id from pgflow.paused_runs p where p.run_id = any (_park_paused.run_ids) order by p.run_id for key share skip locked);
  if cardinality(v_runs) = 0 then
    return;
  end if;
  if _park_paused.only_new then
    v_places := array(
      select x.place
      from pgflow.queues q
        cross join lateral (
          select t.ctid as place, t.run_id from pgflow.ready_tasks t where t.queue_id = q.queue_id and t.xid = v_xid offset 0) x
      where x.run_id = any (v_runs));
  else
    -- A sequential scan: pausing is rare, and an index on run_id would cost every task.
    v_places := array(select x.ctid from pgflow.ready_tasks x where x.run_id = any (v_runs) for update skip locked);
  end if;
  with moved as (
    delete from pgflow.ready_tasks t where t.ctid = any (v_places) returning t.run_id, t.step_id, t.task_index
  )
  insert into pgflow.parked_tasks (run_id, step_id, task_index)
  select m.run_id, m.step_id, m.task_index from moved m
  on conflict on constraint parked_tasks_pkey do nothing;
end
$$;

comment on function pgflow._park_paused(uuid[], boolean) is
  'Move ready tasks of those of these runs that are paused out of the way of claims: all, or those that this transaction made ready.';
