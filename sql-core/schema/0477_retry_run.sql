create function pgflow.retry_run(run_id uuid, from_step text default null) returns text
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
  v_now timestamptz;
  v_status text;
  v_retried record;
  v_waiting int[];
  v_next record;
begin
  perform pgflow._check_run(retry_run.run_id);
  perform pgflow_locks.use_flow(r.flow_slug) from pgflow.runs r where r.run_id = retry_run.run_id;
  perform pgflow_locks.lock_runs(array[retry_run.run_id]);
  v_now := pgflow.clock();
  v_status := pgflow._run_status(retry_run.run_id);
  if v_status = 'running' then
    raise exception 'run % is still running', retry_run.run_id using errcode = 'PF005', hint = 'Cancel it first, or wait for its end.';
  elsif v_status = 'completed' and retry_run.from_step is null then
    raise exception 'run % completed: there is nothing to retry', retry_run.run_id
      using errcode = 'PF005', hint = 'Name a step to run it and everything downstream again.';
  end if;
  perform from pgflow.runs r where r.run_id = retry_run.run_id for update;
  if not found then
    raise exception 'run % has been pruned', retry_run.run_id using errcode = 'PF003';
  end if;
  v_retried := pgflow._steps_to_retry(retry_run.run_id, retry_run.from_step);
  if v_retried.step_slugs is null then
    raise exception 'no step of run % failed: there is nothing to retry', retry_run.run_id
      using errcode = 'PF005', hint = 'Name a step to run it and everything downstream again.';
  end if;
  update pgflow.runs r
  set status = 'running', finished_at = null, output = null, error = null,
    remaining_steps = (
      select count(*) from pgflow.steps s
      where s.flow_slug = r.flow_slug and s.flow_version = r.flow_version and s.step_slug = any (v_retried.step_slugs) and s.is_counted)
  where r.run_id = retry_run.run_id;
  perform pgflow._keep_completed(retry_run.run_id, v_retried.rerun_slugs);
  v_waiting := pgflow._reset_steps(retry_run.run_id, v_retried.step_slugs, v_retried.rerun_slugs);
  if v_waiting is not null then
    v_next := pgflow._start_steps(array_fill(retry_run.run_id, array[cardinality(v_waiting)]), v_waiting, null, v_now);
    perform pgflow._carry_on(v_next.ended_runs, v_next.ended_steps, v_next.ended_cascades, v_next.failed_runs, v_now);
  end if;
  perform pgflow._notify();
  return 'retrying';
end
$$;

comment on function pgflow.retry_run(uuid, text) is
  'Reopen a failed or cancelled run where it stopped, or any ended run from a step on. Completed outputs and items are kept. retrying; PF003 no such run or step, PF006 not yours, PF005 still running or nothing to retry.';
