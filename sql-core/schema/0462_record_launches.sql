create function pgflow.record_launches(launches jsonb) returns table (ordinal int, status text)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
set lock_timeout to '125ms'
as $$
declare
  v_launch record;
  v_launches jsonb;
begin
  if jsonb_typeof(record_launches.launches) is distinct from 'array' then
    raise exception 'launches must be an array, not %', coalesce(jsonb_typeof(record_launches.launches), 'null') using errcode = 'PF008';
  elsif jsonb_array_length(record_launches.launches) > 500 then
    raise exception 'at most 500 launches in one call, not %', jsonb_array_length(record_launches.launches) using errcode = 'PF007';
  end if;
  v_launches := pgflow._clean_launches(record_launches.launches);
  perform pgflow_locks.lock_runs(array(
    select l.run_id from jsonb_to_recordset(v_launches) as l (run_id uuid) where l.run_id is not null));
  for v_launch in
    select l.*
    from rows from (jsonb_to_recordset(v_launches) as (run_id uuid, step_slug text, task_index int, attempt_token uuid,
        outcome text, external_id text, kind text, reason text, retry_after_seconds double precision, attempt int, handle jsonb))
      with ordinality l (run_id, step_slug, task_index, attempt_token, outcome, external_id, kind, reason, retry_after, attempt, handle, ordinality)
    order by l.ordinality
  loop
    ordinal := v_launch.ordinality;
    status := pgflow._record_launch(v_launch.run_id, v_launch.step_slug, v_launch.task_index, v_launch.attempt_token, v_launch.outcome,
      v_launch.external_id, v_launch.kind, v_launch.reason, v_launch.retry_after, v_launch.attempt, v_launch.handle);
    return next;
  end loop;
  perform pgflow._notify();
end
$$;

comment on function pgflow.record_launches(jsonb) is
  'What became of launches: accepted (with its external_id and handle), rejected (throttled, transient, permanent or operator) or unknown. Answers accepted, requeued, failed, unknown, stale or, for a bad shape, invalid, in order.';
