create function pgflow.cancel_run(run_id uuid, reason text default null) returns text
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
  v_status text;
begin
  perform pgflow._check_run(cancel_run.run_id);
  perform pgflow_locks.lock_runs(array[cancel_run.run_id]);
  v_status := pgflow._run_status(cancel_run.run_id);
  if v_status <> 'running' then
    return 'already_ended';
  end if;
  perform pgflow._close_run(cancel_run.run_id, 'cancelled',
    jsonb_build_object('code', 'CANCELLED', 'message', coalesce(left(cancel_run.reason, pgflow._limit('reason')::int), 'cancelled')), pgflow.clock());
  perform pgflow._notify();
  return 'cancelled';
end
$$;

comment on function pgflow.cancel_run(uuid, text) is
  'Cancel a run: queued tasks at once, running ones are fenced at once and told at their next heartbeat. cancelled or already_ended; PF003 if there is no such run, PF006 if it is not yours.';
