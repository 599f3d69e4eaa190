create function pgflow.lane_state(executor text, worker_id text)
  returns table (other_launches bigint, paused_at timestamptz, pause_reason text, probe_at timestamptz)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
begin
  return query
  select (
      select count(*)
      from pgflow.launches l
        -- offset 0: a row is found by its whole key, whatever the statistics.
        cross join lateral (
          select x.* from pgflow._tasks x
          where x.run_id = l.run_id and x.step_slug = l.step_slug and x.task_index = l.task_index offset 0) t
      where l.executor = lane_state.executor and l.worker_id <> lane_state.worker_id
        and t.is_live and t.lease_expires_at is not null and t.attempt = l.attempt),
    e.paused_at, e.pause_reason, e.probe_at
  from (values (lane_state.executor)) n (executor)
    left join pgflow.executors e on e.executor = n.executor;
end
$$;

comment on function pgflow.lane_state(text, text) is
  'What a dispatcher that serves an executor must know of the others: how many open attempts they launched, and whether claims are paused, why, and when a launch is tried again (null: when an operator resumes it).';
