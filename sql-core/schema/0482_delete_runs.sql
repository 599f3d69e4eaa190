create function pgflow._delete_runs(run_ids uuid[]) returns void
language plpgsql volatile
set search_path to ''
as $$
begin
  delete from pgflow.parked_tasks t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.completed_task_logs t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.step_task_attempts t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.map_counters t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.map_tasks t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.run_steps t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.runs t where t.run_id = any (_delete_runs.run_ids);
end
$$;

comment on function pgflow._delete_runs(uuid[]) is 'Delete runs with all their rows; entries in ready_tasks are dropped by the next claim.';
