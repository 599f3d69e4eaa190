create function pgflow.exchange_step_tasks(reports jsonb, executor text, worker_id text, max_tasks int,
  lease_seconds double precision default 30, mode text default 'start', inputs text default 'full')
  returns table (kind text, ordinal int, status text, wake_at timestamptz,
    run_id uuid, flow_slug text, flow_version int, step_slug text, step_type text, task_index int, attempt int,
    attempt_token uuid, handler text, params jsonb, input jsonb, executor_options jsonb, timeout_seconds double precision,
    heartbeat_timeout_seconds double precision, max_attempts int, failures int, priority int, external_id text,
    lease_expires_at timestamptz)
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
  -- Not a perform, which is a statement: that costs ten times as much.
  v_is_valid constant boolean := pgflow._check_claim(exchange_step_tasks.executor, exchange_step_tasks.worker_id, exchange_step_tasks.max_tasks,
    exchange_step_tasks.lease_seconds, exchange_step_tasks.mode, exchange_step_tasks.inputs);
  v_statuses text[];
  v_claimed int := 0;
begin
  if exchange_step_tasks.reports <> '[]' then
    v_statuses := pgflow._apply_reports(exchange_step_tasks.reports);
    return query
    select 'report', u.ordinality::int, u.status, null::timestamptz, null::uuid, null::text, null::int, null::text, null::text, null::int,
      null::int, null::uuid, null::text, null::jsonb, null::jsonb, null::jsonb, null::double precision, null::double precision,
      null::int, null::int, null::int, null::text, null::timestamptz
    from unnest(v_statuses) with ordinality u (status, ordinality);
  end if;
  if exchange_step_tasks.max_tasks > 0 then
    return query
    select 'task', c.ordinality::int, null::text, null::timestamptz, c.run_id, c.flow_slug, c.flow_version, c.step_slug, c.step_type,
      c.task_index, c.attempt, c.attempt_token, c.handler, c.params, c.input, c.executor_options, c.timeout_seconds,
      c.heartbeat_timeout_seconds, c.max_attempts, c.failures, c.priority, c.external_id, c.lease_expires_at
    from pgflow._claim(exchange_step_tasks.executor, exchange_step_tasks.worker_id, exchange_step_tasks.max_tasks,
      exchange_step_tasks.lease_seconds, exchange_step_tasks.mode, exchange_step_tasks.inputs) with ordinality c;
    get diagnostics v_claimed = row_count;
  end if;
  -- After the claim: only what it left ready is worth waking somebody for.
  if v_statuses is not null then
    perform pgflow._notify();
  end if;
  -- A full claim left more. One that brought something keeps nobody waiting for an exact answer: it is asked again soon.
  -- What a claim of nothing left is held by somebody, or lies behind what is.
  kind := 'wake';
  wake_at := case when v_claimed = 0 then pgflow._wake_at(array[exchange_step_tasks.executor], '1 second')
    when v_claimed = exchange_step_tasks.max_tasks then pgflow.clock()
    else pgflow.clock() + interval '0.1 seconds' end;
  return next;
end
$$;

comment on function pgflow.exchange_step_tasks(jsonb, text, text, int, double precision, text, text) is
  'Report, claim and learn when to look again, in one round trip: a row a report (kind report), a row a claimed task (task), and one row with wake_at (wake): soon, after a claim that brought something.';
