create function pgflow._record_launch(run_id uuid, step_slug text, task_index int, attempt_token uuid, outcome text, external_id text,
  kind text, reason text, retry_after double precision) returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_task pgflow._tasks;
  v_error jsonb := jsonb_build_object('code', 'LAUNCH_FAILED', 'message', coalesce(_record_launch.reason, 'the launch was rejected'));
begin
  if _record_launch.run_id is null then
    return 'invalid';
  end if;
  v_task := pgflow._lock_task(_record_launch.run_id, _record_launch.step_slug, _record_launch.task_index);
  if v_task.run_id is null or not v_task.is_live or v_task.lease_expires_at is null
    or v_task.token_hash is distinct from pgflow._token_hash(_record_launch.attempt_token) then
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
  elsif _record_launch.kind = 'throttled' then
    perform pgflow._end_attempt(v_task, 'released', 'launch', null, true, coalesce(_record_launch.retry_after, 1), null, v_now);
    return 'requeued';
  elsif _record_launch.kind = 'operator' then
    perform pgflow._set_executor_paused(s.executor, coalesce(_record_launch.reason, 'rejected'), v_now)
    from pgflow.steps s where s.step_id = v_task.step_id;
    perform pgflow._end_attempt(v_task, 'released', 'launch', null, true, _record_launch.retry_after, null, v_now);
    return 'requeued';
  end if;
  return case pgflow._end_attempt(v_task, 'launch_failed', 'launch', v_error, _record_launch.kind = 'transient',
      _record_launch.retry_after, null, v_now)
    when 'retrying' then 'requeued' else 'failed' end;
end
$$;

comment on function pgflow._record_launch(uuid, text, int, uuid, text, text, text, text, double precision) is
  'Record what became of one launch; invalid if _clean_launches emptied it.';
