create function pgflow._cancel_tasks(run_id uuid, step_slug text, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  perform pgflow._lock_live_rows(_cancel_tasks.run_id, _cancel_tasks.step_slug);
  insert into pgflow.step_task_attempts (run_id, step_slug, task_index, attempt, outcome, ended_by, worker_id, external_id, started_at,
    ended_at, token_hash)
  select t.run_id, t.step_slug, t.task_index, t.attempt, 'cancelled', 'close', t.worker_id, t.external_id, t.task_started_at,
    _cancel_tasks.now, t.token_hash
  from pgflow._tasks t
  where t.run_id = _cancel_tasks.run_id and t.step_slug = coalesce(_cancel_tasks.step_slug, t.step_slug)
    and t.is_live and t.lease_expires_at is not null
  on conflict on constraint step_task_attempts_pkey do nothing;
  update pgflow.launches l set look_at = _cancel_tasks.now
  where l.run_id = _cancel_tasks.run_id and l.step_slug = coalesce(_cancel_tasks.step_slug, l.step_slug);
  -- Tokens stay, so that a heartbeat can be answered 'cancel'.
  update pgflow.map_tasks t
  set end_status = 'cancelled', finished_at = _cancel_tasks.now
  where t.run_id = _cancel_tasks.run_id and t.step_slug = coalesce(_cancel_tasks.step_slug, t.step_slug) and t.end_status is null;
  delete from pgflow.map_counters c
  where c.run_id = _cancel_tasks.run_id and c.step_slug = coalesce(_cancel_tasks.step_slug, c.step_slug);
end
$$;

comment on function pgflow._cancel_tasks(uuid, text, timestamptz) is
  'Cancel the live tasks of a run, or of one of its steps, and keep a row of their attempts. The step rows are the caller''s to end.';
