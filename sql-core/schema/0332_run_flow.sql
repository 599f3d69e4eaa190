create function pgflow.run_flow(flow_slug text, input jsonb default '{}', run_id uuid default null, flow_version int default null,
  idempotency_key text default null, priority int default null, start_at timestamptz default null, tags jsonb default '{}')
  returns setof pgflow.started_run
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
  v_id uuid := coalesce(run_flow.run_id, pgflow._new_run_id());
  v_new record;
  v_run pgflow.runs;
begin
  v_new := pgflow._start_runs(run_flow.flow_slug, array[run_flow.input], array[v_id], run_flow.flow_version,
    array[run_flow.idempotency_key], run_flow.priority, run_flow.start_at, run_flow.tags);
  if v_new.started is not null then
    perform pgflow._notify();
  end if;
  if v_new.started is not null and not v_new.may_have_ended then
    return next (v_id, 'running', v_new.flow_version, true)::pgflow.started_run;
    return;
  end if;
  select r.* into v_run from pgflow.runs r where r.run_id = v_id;
  if v_new.started is null and found then
    perform pgflow._check_owner(v_run.owner, format('run %s', v_id));
    if v_run.flow_slug <> run_flow.flow_slug or v_run.input <> coalesce(run_flow.input, 'null')
      or v_run.flow_version <> coalesce(run_flow.flow_version, v_run.flow_version)
      or v_run.idempotency_key is distinct from coalesce(run_flow.idempotency_key, v_run.idempotency_key) then
      raise exception 'run % exists already with another flow or input', v_id
        using errcode = 'PF004', detail = format('it is a run of flow "%s" version %s', v_run.flow_slug, v_run.flow_version),
        hint = 'Give every run an id of its own, or leave it out.';
    end if;
  elsif v_new.started is null then
    select r.* into strict v_run from pgflow.runs r
    where r.flow_slug = run_flow.flow_slug and r.idempotency_key = run_flow.idempotency_key;
    perform pgflow._check_owner(v_run.owner, format('the run of flow "%s" with idempotency key "%s"', v_run.flow_slug, v_run.idempotency_key));
  end if;
  return next (v_run.run_id, v_run.status, v_run.flow_version, v_new.started is not null)::pgflow.started_run;
end
$$;

comment on function pgflow.run_flow(text, jsonb, uuid, int, text, int, timestamptz, jsonb) is
  'Start a run in the caller''s transaction. The same run_id or idempotency_key again returns the first run. PF002 no such flow, PF004 the run_id is another run''s, PF006 it is another user''s, PF008 bad input.';
