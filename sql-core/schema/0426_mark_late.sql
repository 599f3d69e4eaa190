create function pgflow._mark_late(reports jsonb) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  update pgflow.step_task_attempts a
  set outcome = 'late', ended_by = 'complete'
  from jsonb_to_recordset(_mark_late.reports) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid, outcome text),
    pgflow._tasks t
  where t.run_id = r.run_id and t.step_slug = r.step_slug and t.task_index = r.task_index and t.status = 'completed'
    and a.attempt = t.attempt and r.outcome = 'complete' and a.run_id = r.run_id and a.step_slug = r.step_slug and a.task_index = r.task_index
    and a.token_hash = pgflow._token_hash(r.attempt_token) and a.outcome = 'lost';
end
$$;

comment on function pgflow._mark_late(jsonb) is 'Mark the attempts that were declared lost and have completed after all.';
