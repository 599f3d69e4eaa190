create function pgflow._delete_runs(run_ids uuid[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set enable_hashjoin to on
as $$
begin
  -- The hints too, by sequential scans: both tables hold only what is alive or was a moment ago. Joined by hashes: a test of each hint
  -- against each run took ten times as long as all the rest when sixty claims were under way.
  delete from pgflow.ready_tasks t where t.run_id in (select u.run_id from unnest(_delete_runs.run_ids) u (run_id));
  with named as (
    select t.ctid as timer from pgflow.timers t
    where t.ctid = any (array(
      select n.ctid from pgflow.timers n, unnest(n.run_ids) i (run_id), unnest(_delete_runs.run_ids) u (run_id) where u.run_id = i.run_id))
    for update skip locked
  ), taken as (
    delete from pgflow.timers t where t.ctid = any (array(select n.timer from named n))
    returning t.due_at, t.kind, t.executor, t.run_ids, t.step_ids, t.task_indexes
  )
  insert into pgflow.timers (due_at, kind, executor, run_ids, step_ids, task_indexes)
  select k.due_at, k.kind, k.executor, array_agg(i.run_id), array_agg(i.step_id), array_agg(i.task_index)
  from taken k, unnest(k.run_ids, k.step_ids, k.task_indexes) i (run_id, step_id, task_index)
  where i.run_id not in (select u.run_id from unnest(_delete_runs.run_ids) u (run_id))
  group by k.due_at, k.kind, k.executor;
  delete from pgflow.launches t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.paused_runs t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.parked_tasks t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.completed_task_logs t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.live_logs t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.task_progress t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.superseded_attempts t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.step_task_attempts t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.map_counters t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.map_tasks t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.run_steps t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.runs t where t.run_id = any (_delete_runs.run_ids);
end
$$;

comment on function pgflow._delete_runs(uuid[]) is 'Delete runs with all their rows.';
