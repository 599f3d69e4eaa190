create function pgflow.observe_launches(observations jsonb) returns table (ordinal int, status text)
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
  v_seen record;
  v_observations jsonb;
begin
  if jsonb_typeof(observe_launches.observations) is distinct from 'array' then
    raise exception 'observations must be an array, not %', coalesce(jsonb_typeof(observe_launches.observations), 'null') using errcode = 'PF008';
  elsif jsonb_array_length(observe_launches.observations) > 500 then
    raise exception 'at most 500 observations in one call, not %', jsonb_array_length(observe_launches.observations) using errcode = 'PF007';
  end if;
  v_observations := pgflow._clean_observations(observe_launches.observations);
  perform pgflow_locks.lock_runs(array(
    select o.run_id from jsonb_to_recordset(v_observations) as o (run_id uuid) where o.run_id is not null));
  for v_seen in
    select o.*
    from rows from (jsonb_to_recordset(v_observations) as (run_id uuid, step_slug text, task_index int, attempt int, phase text, code text,
        detail text, log_tail text, started boolean, retryable boolean))
      with ordinality o (run_id, step_slug, task_index, attempt, phase, code, detail, log_tail, started, retryable, ordinality)
    order by o.ordinality
  loop
    ordinal := v_seen.ordinality;
    status := pgflow._observe_launch(v_seen.run_id, v_seen.step_slug, v_seen.task_index, v_seen.attempt, v_seen.phase, v_seen.code,
      v_seen.detail, v_seen.log_tail, v_seen.started, v_seen.retryable);
    return next;
  end loop;
  perform pgflow._notify();
end
$$;

comment on function pgflow.observe_launches(jsonb) is
  'What was seen of launched attempts in the place they were launched to. Answers alive, over (its time to report runs), retrying or failed (it was ended), stale or, for a bad shape, invalid, in order.';
