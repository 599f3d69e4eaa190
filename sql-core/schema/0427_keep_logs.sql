create function pgflow._keep_logs(reports jsonb, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.completed_task_logs (run_id, step_slug, task_index, attempt, log_tail, recorded_at)
  select r.run_id, r.step_slug, r.task_index, t.attempt, pgflow._log_tail(r.log_tail), _keep_logs.now
  from jsonb_to_recordset(_keep_logs.reports) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid, outcome text, log_tail text)
    join pgflow._tasks t on t.run_id = r.run_id and t.step_slug = r.step_slug and t.task_index = r.task_index
  where r.outcome = 'complete' and r.log_tail <> '' and t.status = 'completed' and t.token_hash = pgflow._token_hash(r.attempt_token)
  on conflict on constraint completed_task_logs_pkey do nothing;
end
$$;

comment on function pgflow._keep_logs(jsonb, timestamptz) is 'Keep what completed attempts wrote.';
