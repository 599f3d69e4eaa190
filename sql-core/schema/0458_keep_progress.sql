create function pgflow._keep_progress(tasks jsonb, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.task_progress (run_id, step_slug, task_index, attempt, progress, reported_at)
  select distinct on (r.run_id, r.step_slug, r.task_index) r.run_id, r.step_slug, r.task_index, t.attempt, r.progress, _keep_progress.now
  from jsonb_to_recordset(_keep_progress.tasks) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid, progress jsonb)
    cross join lateral (
      select k.attempt from pgflow._tasks k
      where k.run_id = r.run_id and k.step_slug = r.step_slug and k.task_index = r.task_index and k.status in ('claimed', 'running')
        and k.token_hash = pgflow._token_hash(r.attempt_token)
      offset 0) t
  where jsonb_typeof(r.progress) = 'object' and length(r.progress::text) <= 4096
  -- In key order, so that two callers with the same tasks wait for each other at most once.
  order by r.run_id, r.step_slug, r.task_index
  on conflict on constraint task_progress_pkey do update
    set attempt = excluded.attempt, progress = excluded.progress, reported_at = excluded.reported_at;
end
$$;

comment on function pgflow._keep_progress(jsonb, timestamptz) is
  'Keep what current attempts say of their progress; what is no object, or longer than 4096 characters, is left out.';
