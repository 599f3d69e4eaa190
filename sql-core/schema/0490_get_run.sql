create function pgflow.get_run(run_id uuid) returns jsonb
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_run jsonb;
  v_fits boolean;
begin
  perform pgflow._check_run(get_run.run_id, '{pgflow_owner,pgflow_dispatcher,pgflow_viewer}');
  -- What is shown must fit into one value: the outputs of steps are left out where there is too much of them.
  select coalesce(sum(pgflow._size(t.output)), 0) + (
      select coalesce(sum(pgflow._size(m.output)), 0) from pgflow.map_tasks m where m.run_id = get_run.run_id) <= pgflow._limit('map_output')
    into v_fits
  from pgflow.run_steps t where t.run_id = get_run.run_id;
  select jsonb_build_object('run_id', r.run_id, 'flow_slug', r.flow_slug, 'flow_version', r.flow_version, 'status', r.status,
      'input', r.input, 'output', r.output, 'error', r.error, 'priority', r.priority, 'tags', r.tags, 'owner', r.owner,
      'idempotency_key', r.idempotency_key, 'paused_at', (select p.paused_at from pgflow.paused_runs p where p.run_id = r.run_id), 'created_at', r.created_at, 'finished_at', r.finished_at,
      'outputs_left_out', not v_fits,
      'steps', (
        select to_jsonb(array_agg(pgflow._get_step(r.run_id, s.step_slug, v_fits) order by s.step_index))
        from pgflow.steps s where s.flow_slug = r.flow_slug and s.flow_version = r.flow_version))
    into v_run
  from pgflow.runs r where r.run_id = get_run.run_id;
  return v_run;
end
$$;

comment on function pgflow.get_run(uuid) is 'A run, its steps and the counts of their tasks: what a status page needs. PF003 if there is no such run, PF006 if it is not yours.';
