create function pgflow._mark_late(reports jsonb) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  update pgflow.step_task_attempts a
  set outcome = 'late', ended_by = 'complete'
  from jsonb_to_recordset(_mark_late.reports) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid, outcome text)
    cross join lateral (
      select x.status, x.attempt from pgflow._tasks x
      where x.run_id = r.run_id and x.step_slug = r.step_slug and x.task_index = r.task_index offset 0) t
  where r.outcome = 'complete' and t.status = 'completed'
    and a.run_id = any (array[r.run_id]) and a.step_slug = r.step_slug and a.task_index = r.task_index and a.attempt = t.attempt
    and a.token_hash = pgflow._token_hash(r.attempt_token) and a.outcome = 'lost';
end
$$;

comment on function pgflow._mark_late(jsonb) is 'Mark the attempts that were declared lost and have completed after all.';
