create function pgflow._record_launch(run_id uuid, step_slug text, task_index int, attempt_token uuid, outcome text, external_id text,
  kind text, reason text, retry_after double precision, attempt int, handle jsonb) returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_task pgflow._tasks;
  v_is_current boolean;
  v_launch pgflow.launches;
  v_error jsonb := jsonb_build_object(
    'code', case when _record_launch.kind in ('throttled', 'operator') then 'LAUNCH_REJECTED' else 'LAUNCH_FAILED' end,
    'message', coalesce(_record_launch.reason, 'the launch was rejected'));
begin
  if _record_launch.run_id is null then
    return 'invalid';
  end if;
  v_task := pgflow._lock_task(_record_launch.run_id, _record_launch.step_slug, _record_launch.task_index);
  v_is_current := v_task.is_live and v_task.lease_expires_at is not null
    and v_task.token_hash = pgflow._token_hash(_record_launch.attempt_token);
  -- Whatever became of the attempt meanwhile: it is there, under this name. Ended, it is to be looked at now.
  update pgflow.launches l
  set external_id = coalesce(_record_launch.external_id, l.external_id), handle = coalesce(_record_launch.handle, l.handle),
    recorded_at = coalesce(l.recorded_at, v_now), look_at = case when v_is_current then l.look_at else v_now end, cancels = 0
  where _record_launch.outcome <> 'rejected' and l.run_id = _record_launch.run_id and l.step_slug = _record_launch.step_slug
    and l.task_index = _record_launch.task_index and l.attempt = coalesce(_record_launch.attempt, v_task.attempt)
  returning l.* into v_launch;
  if _record_launch.outcome = 'rejected' and v_is_current and v_task.task_started_at is null then
    delete from pgflow.launches l
    where l.run_id = _record_launch.run_id and l.step_slug = _record_launch.step_slug and l.task_index = _record_launch.task_index
      and l.attempt = v_task.attempt
    returning l.* into v_launch;
  end if;
  if _record_launch.outcome <> 'unknown' and _record_launch.kind is distinct from 'operator' then
    perform pgflow._accept_executor(v_launch.executor, v_launch.claimed_at);
  elsif _record_launch.kind = 'operator' then
    perform pgflow._refuse_executor(v_launch.executor, coalesce(_record_launch.reason, 'rejected'), _record_launch.retry_after,
      v_launch.claimed_at, v_now);
  end if;
  if v_is_current is not true then
    return 'stale';
  elsif _record_launch.outcome = 'accepted' then
    if _record_launch.external_id is distinct from v_task.external_id and _record_launch.external_id is not null then
      perform pgflow._set_external_id(v_task, _record_launch.external_id);
    end if;
    return 'accepted';
  elsif _record_launch.outcome = 'unknown' then
    return 'unknown';
  elsif v_task.task_started_at is not null then
    -- It runs, whatever the launcher saw.
    return 'stale';
  elsif _record_launch.kind in ('throttled', 'operator') then
    -- Without a delay of its own what an operator must mend waits as long as the executor is paused.
    perform pgflow._end_attempt(v_task, 'released', 'launch', v_error, true,
      coalesce(_record_launch.retry_after, case _record_launch.kind when 'throttled' then 1 end), null, v_now);
    return 'requeued';
  end if;
  return case pgflow._end_attempt(v_task, 'launch_failed', 'launch', v_error, _record_launch.kind = 'transient',
      _record_launch.retry_after, null, v_now)
    when 'retrying' then 'requeued' else 'failed' end;
end
$$;

comment on function pgflow._record_launch(uuid, text, int, uuid, text, text, text, text, double precision, int, jsonb) is
  'Record what became of one launch; invalid if _clean_launches emptied it.';
