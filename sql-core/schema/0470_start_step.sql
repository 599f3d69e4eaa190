create function pgflow.start_step(run_id uuid, step_slug text) returns boolean
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
  v_step pgflow.run_steps;
  v_next record;
begin
  perform pgflow._check_run(start_step.run_id);
  perform pgflow_locks.lock_runs(array[start_step.run_id]);
  v_now := pgflow.clock();
  select t.* into v_step from pgflow.run_steps t where t.run_id = start_step.run_id and t.step_slug = start_step.step_slug;
  if not found then
    raise exception 'no step "%" in run %', start_step.step_slug, start_step.run_id
      using errcode = 'PF003', hint = 'The steps of a run: select * from pgflow.step_states, or pgflow status.';
  end if;
  if v_step.status <> 'pending' or exists (
    select from pgflow.deps d join pgflow.run_steps p on p.run_id = v_step.run_id and p.step_slug = d.dep_slug
    where d.step_id = v_step.step_id and p.status not in ('completed', 'skipped'))
  then
    return false;
  end if;
  update pgflow.run_steps t set remaining_deps = 0 where t.run_id = v_step.run_id and t.step_slug = v_step.step_slug;
  v_next := pgflow._start_steps(array[v_step.run_id], array[v_step.step_id], null, v_now);
  perform pgflow._carry_on(v_next.ended_runs, v_next.ended_steps, v_next.ended_cascades, v_next.failed_runs, v_now);
  perform pgflow._notify();
  return true;
end
$$;

comment on function pgflow.start_step(uuid, text) is
  'Start a pending step whose dependencies ended. A repair verb: the engine starts steps by itself. True if this call moved the step; PF003 no such run or step, PF006 not yours.';
