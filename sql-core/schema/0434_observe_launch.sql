create function pgflow._observe_launch(run_id uuid, step_slug text, task_index int, attempt int, phase text, code text, detail text,
  log_tail text, started boolean, retryable boolean) returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_task pgflow._tasks;
  v_launch pgflow.launches;
  v_since timestamptz;
  v_until timestamptz;
  v_outcome text;
begin
  if _observe_launch.run_id is null then
    return 'invalid';
  end if;
  v_task := pgflow._lock_task(_observe_launch.run_id, _observe_launch.step_slug, _observe_launch.task_index);
  select l.* into v_launch from pgflow.launches l
  where l.run_id = _observe_launch.run_id and l.step_slug = _observe_launch.step_slug and l.task_index = _observe_launch.task_index
    and l.attempt = _observe_launch.attempt
  for no key update;
  if v_launch.run_id is null or v_task.is_live is not true or v_task.lease_expires_at is null
    or v_task.attempt <> _observe_launch.attempt then
    return 'stale';
  elsif _observe_launch.phase in ('pending', 'running', 'unknown') then
    if v_launch.over_since is not null then
      update pgflow.launches l set over_since = null
      where l.run_id = v_launch.run_id and l.step_slug = v_launch.step_slug and l.task_index = v_launch.task_index
        and l.attempt = v_launch.attempt;
    end if;
    return 'alive';
  end if;
  v_since := coalesce(v_launch.over_since, v_now);
  -- Its last words may be on their way.
  v_until := v_since + case
    when _observe_launch.phase <> 'exited_error' then interval '30 seconds'
    when _observe_launch.started is false and v_task.task_started_at is null then interval '0'
    else interval '5 seconds' end;
  if _observe_launch.phase = 'not_found' and v_launch.recorded_at is null and v_task.task_started_at is null then
    -- Its launcher may still be about to launch it.
    v_until := greatest(v_until, v_launch.claimed_at + interval '2 minutes');
  end if;
  if v_now < v_until then
    update pgflow.launches l set over_since = v_since, look_at = least(l.look_at, v_until)
    where l.run_id = v_launch.run_id and l.step_slug = v_launch.step_slug and l.task_index = v_launch.task_index
      and l.attempt = v_launch.attempt;
    return 'over';
  end if;
  v_outcome := case
    when v_task.task_started_at is null then 'launch_failed'
    when _observe_launch.phase = 'not_found' then 'lost'
    when _observe_launch.code = 'TIMEOUT' then 'timed_out'
    else 'failed' end;
  return pgflow._end_attempt(v_task, v_outcome, 'sweep',
    jsonb_build_object(
      'code', coalesce(_observe_launch.code, case v_outcome when 'launch_failed' then 'LAUNCH_FAILED' when 'lost' then 'LOST' else 'NO_REPORT' end),
      'message', concat_ws(': ',
        format('the attempt %s%s', case when v_outcome = 'launch_failed' then 'never started and ' else '' end,
          case _observe_launch.phase when 'not_found' then 'is gone' when 'exited_ok' then 'ended without a report'
            else 'ended with an error and without a report' end),
        nullif(_observe_launch.detail, ''))),
    coalesce(_observe_launch.retryable, true), null, _observe_launch.log_tail, v_now);
end
$$;

comment on function pgflow._observe_launch(uuid, text, int, int, text, text, text, text, boolean, boolean) is
  'Follow what was seen of one launched attempt; invalid if _clean_observations emptied it.';
