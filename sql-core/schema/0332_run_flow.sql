-- language sql: plpgsql does not let an argument and a result column share a name, and both names are the contract.
create function pgflow.run_flow(flow_slug text, input jsonb default '{}', run_id uuid default null, flow_version int default null,
  idempotency_key text default null, priority int default null, start_at timestamptz default null, tags jsonb default '{}')
  returns table (run_id uuid, status text, flow_version int, created boolean)
language sql volatile
set search_path to pg_catalog, pg_temp
as $$
  select o.started_run, o.current_status, o.version, o.is_new
  from pgflow._run_one(run_flow.flow_slug, run_flow.input, run_flow.run_id, run_flow.flow_version, run_flow.idempotency_key,
    run_flow.priority, run_flow.start_at, run_flow.tags) o
$$;

comment on function pgflow.run_flow(text, jsonb, uuid, int, text, int, timestamptz, jsonb) is
  'Start a run in the caller''s transaction. The same run_id or idempotency_key again returns the first run. PF002 no such flow, PF004 the run_id is another run''s, PF008 bad input.';
