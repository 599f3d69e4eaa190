create function pgflow.heartbeat_step_tasks(tasks jsonb, lease_seconds double precision default 30)
  returns table (ordinal int, status text, lease_expires_at timestamptz)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_tasks jsonb;
begin
  if coalesce(heartbeat_step_tasks.lease_seconds <= 0 or heartbeat_step_tasks.lease_seconds > 315360000, true) then
    raise exception 'lease_seconds must be greater than 0' using errcode = 'PF008';
  elsif jsonb_typeof(heartbeat_step_tasks.tasks) is distinct from 'array' then
    raise exception 'tasks must be an array of {run_id, step_slug, task_index, attempt_token}' using errcode = 'PF008';
  end if;
  v_tasks := pgflow._clean_tasks(heartbeat_step_tasks.tasks);
  perform pgflow._renew_leases(v_tasks, heartbeat_step_tasks.lease_seconds, v_now);
  if exists (select from pgflow.launches l where l.over_since is not null) then
    perform pgflow._clear_over(v_tasks);
  end if;
  if v_tasks @? '$[*].progress' then
    perform pgflow._keep_progress(v_tasks, v_now);
  end if;
  if v_tasks @? '$[*].log_tail' then
    perform pgflow._keep_live_logs(v_tasks, v_now);
  end if;
  return query
  select r.ordinality::int,
    case
      when t.token_hash is distinct from pgflow._token_hash(r.attempt_token) then 'stale'
      when t.status in ('claimed', 'running') then 'ok'
      when t.status = 'cancelled' then 'cancel'
      else 'stale'
    end,
    case when t.status in ('claimed', 'running') and t.token_hash = pgflow._token_hash(r.attempt_token) then t.lease_expires_at end
  from rows from (jsonb_to_recordset(v_tasks) as (run_id uuid, step_slug text, task_index int, attempt_token uuid))
      with ordinality r (run_id, step_slug, task_index, attempt_token, ordinality)
    left join lateral (
      select k.* from pgflow._tasks k
      where k.run_id = r.run_id and k.step_slug = r.step_slug and k.task_index = r.task_index offset 0) t on true
  order by r.ordinality;
end
$$;

comment on function pgflow.heartbeat_step_tasks(jsonb, double precision) is
  'Renew leases: ok, cancel (the task was cancelled while this attempt had it) or stale. Heartbeats do not extend the timeout of the attempt.
A task may carry "progress": {"done", "total"?, "message"?}, which get_run shows while the attempt goes on.
It may carry what it has written so far, "log_tail", of "log_end" bytes in all: live_task_logs shows it.';
