create function pgflow._keep_live_logs(tasks jsonb, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.live_logs (run_id, step_slug, task_index, attempt, log_tail, log_end, reported_at)
  select distinct on (r.run_id, r.step_slug, r.task_index) r.run_id, r.step_slug, r.task_index, t.attempt, r.log_tail #>> '{}',
    (r.log_end)::bigint, _keep_live_logs.now
  from jsonb_to_recordset(_keep_live_logs.tasks) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid, log_tail jsonb, log_end jsonb)
    cross join lateral (
      select k.attempt from pgflow._tasks k
      where k.run_id = r.run_id and k.step_slug = r.step_slug and k.task_index = r.task_index and k.status in ('claimed', 'running')
        and k.token_hash = pgflow._token_hash(r.attempt_token)
      offset 0) t
  where jsonb_typeof(r.log_tail) = 'string' and octet_length(r.log_tail #>> '{}') between 1 and 65536
    and case when jsonb_typeof(r.log_end) = 'number' then (r.log_end)::numeric between 0 and 1e15 else false end
  -- In key order, so that two callers with the same tasks wait for each other at most once.
  order by r.run_id, r.step_slug, r.task_index
  on conflict on constraint live_logs_pkey do update
    set attempt = excluded.attempt, log_tail = excluded.log_tail, log_end = excluded.log_end, reported_at = excluded.reported_at
    -- Heartbeats of one attempt may overtake each other: what is followed never goes back.
    where (excluded.attempt, excluded.log_end) >= (live_logs.attempt, live_logs.log_end);
end
$$;

comment on function pgflow._keep_live_logs(jsonb, timestamptz) is
  'Keep the end of what current attempts have written; what is empty, or longer than 64 KiB, is left out, and so is what a later heartbeat has overtaken.';
