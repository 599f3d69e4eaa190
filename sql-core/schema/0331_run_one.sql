create function pgflow._run_one(flow_slug text, input jsonb, run_id uuid, flow_version int, idempotency_key text, priority int,
  start_at timestamptz, tags jsonb, out started_run uuid, out current_status text, out version int, out is_new boolean)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_id uuid := coalesce(_run_one.run_id, pgflow._new_run_id());
  v_started uuid[];
  v_run pgflow.runs;
begin
  v_started := pgflow._start_runs(_run_one.flow_slug, array[_run_one.input], array[v_id], _run_one.flow_version,
    array[_run_one.idempotency_key], _run_one.priority, _run_one.start_at, _run_one.tags);
  select r.* into v_run from pgflow.runs r where r.run_id = v_id;
  if v_started is not null then
    perform pgflow._notify_ready();
  elsif found then
    if v_run.flow_slug <> _run_one.flow_slug or v_run.input <> coalesce(_run_one.input, 'null')
      or v_run.flow_version <> coalesce(_run_one.flow_version, v_run.flow_version)
      or v_run.idempotency_key is distinct from coalesce(_run_one.idempotency_key, v_run.idempotency_key) then
      raise exception 'run % exists already with another flow or input', v_id
        using errcode = 'PF004', detail = format('it is a run of flow "%s" version %s', v_run.flow_slug, v_run.flow_version);
    end if;
  else
    select r.* into strict v_run from pgflow.runs r
    where r.flow_slug = _run_one.flow_slug and r.idempotency_key = _run_one.idempotency_key;
  end if;
  started_run := v_run.run_id;
  current_status := v_run.status;
  version := v_run.flow_version;
  is_new := v_started is not null;
end
$$;

comment on function pgflow._run_one(text, jsonb, uuid, int, text, int, timestamptz, jsonb) is 'The work of run_flow.';
