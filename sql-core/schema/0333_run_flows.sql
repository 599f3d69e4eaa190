create function pgflow.run_flows(flow_slug text, inputs jsonb[], flow_version int default null, idempotency_keys text[] default null,
  priority int default null, start_at timestamptz default null, tags jsonb default '{}')
  returns table (ordinal int, run_id uuid, created boolean)
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
  v_count int := coalesce(cardinality(run_flows.inputs), 0);
  v_ids uuid[];
  v_started uuid[];
begin
  if run_flows.idempotency_keys is not null and cardinality(run_flows.idempotency_keys) <> v_count then
    raise exception 'idempotency_keys must be as many as inputs: % inputs, % keys', v_count, cardinality(run_flows.idempotency_keys) using errcode = 'PF008';
  end if;
  -- Ascending: _start_runs queues the runs in the order of their ids.
  select array_agg(i.run_id order by i.run_id) into v_ids
  from (select pgflow._new_run_id() as run_id from generate_series(1, v_count)) i;
  v_started := (pgflow._start_runs(run_flows.flow_slug, run_flows.inputs, v_ids, run_flows.flow_version,
    coalesce(run_flows.idempotency_keys, array_fill(null::text, array[v_count])), run_flows.priority, run_flows.start_at, run_flows.tags)).started;
  if v_started is not null then
    perform pgflow._notify();
  end if;
  if cardinality(v_started) = v_count then
    return query select u.ordinality::int, u.run_id, true from unnest(v_ids) with ordinality u (run_id, ordinality);
  else
    perform pgflow._check_owner(r.owner, format('the run of flow "%s" with idempotency key "%s"', r.flow_slug, r.idempotency_key))
    from pgflow.runs r where r.flow_slug = run_flows.flow_slug and r.idempotency_key = any (run_flows.idempotency_keys);
    return query
    select u.ordinality::int, r.run_id, r.run_id = u.run_id
    from unnest(v_ids, run_flows.idempotency_keys) with ordinality u (run_id, idempotency_key, ordinality)
      cross join lateral (
        -- Each by its own index: with an `or` every run there is would be read.
        select x.run_id from pgflow.runs x where x.run_id = u.run_id
        union all
        select x.run_id from pgflow.runs x
        where x.flow_slug = run_flows.flow_slug and x.idempotency_key = u.idempotency_key and x.run_id <> u.run_id) r
    order by u.ordinality;
  end if;
end
$$;

comment on function pgflow.run_flows(text, jsonb[], int, text[], int, timestamptz, jsonb) is
  'Start many runs of one flow, all or nothing. created is false where an idempotency key met an existing run; PF006 if that is another user''s.';
