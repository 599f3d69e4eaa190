create function pgflow._keep_completed(run_id uuid, step_slugs text[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.superseded_attempts (run_id, step_slug, task_index, attempt, worker_id, external_id, started_at, ended_at, token_hash)
  select t.run_id, t.step_slug, t.task_index, t.attempt, t.worker_id, t.external_id, t.task_started_at, t.finished_at, t.token_hash
  from pgflow._tasks t
  where t.run_id = _keep_completed.run_id and t.step_slug = any (_keep_completed.step_slugs) and t.status = 'completed' and t.attempt > 0
    -- A late one has its row there.
    and not exists (
      select from pgflow.step_task_attempts a
      where a.run_id = t.run_id and a.step_slug = t.step_slug and a.task_index = t.task_index and a.attempt = t.attempt);
end
$$;

comment on function pgflow._keep_completed(uuid, text[]) is 'Keep a row of the completed attempts of steps that are to run again.';
