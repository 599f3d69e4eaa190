create function pgflow._enqueue(run_ids uuid[], step_ids int[], task_indexes int[], queue_ids int[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_xid bigint := pg_current_xact_id()::text::bigint;
begin
  insert into pgflow.ready_tasks (xid, run_id, queue_id, step_id, task_index)
  select v_xid, t.run_id, t.queue_id, t.step_id, t.task_index
  from unnest(_enqueue.run_ids, _enqueue.step_ids, _enqueue.task_indexes, _enqueue.queue_ids)
    with ordinality t (run_id, step_id, task_index, queue_id, ordinality)
  order by t.ordinality;
  if exists (select from pgflow.paused_runs) then
    perform pgflow._park_paused(_enqueue.run_ids, true);
  end if;
end
$$;

comment on function pgflow._enqueue(uuid[], int[], int[], int[]) is 'Make tasks ready for claims; those of paused runs are parked.';
