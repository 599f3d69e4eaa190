create function pgflow.claim_with_key(key text, executor text, worker_id text, max_tasks int default 1,
  lease_seconds double precision default 30, mode text default 'start', inputs text default 'full')
  returns table (run_id uuid, flow_slug text, flow_version int, step_slug text, step_type text, task_index int, attempt int,
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
as $$
declare
  -- Not a perform, which is a statement: that costs ten times as much.
  v_is_valid constant boolean := pgflow._check_claim(claim_with_key.executor, claim_with_key.worker_id, claim_with_key.max_tasks,
    claim_with_key.lease_seconds, claim_with_key.mode, claim_with_key.inputs);
  v_now constant timestamptz := pgflow.clock();
  v_key pgflow.worker_keys;
begin
  v_key := pgflow._worker_key(claim_with_key.key, claim_with_key.executor, v_now);
  if v_key.last_used_at is null or v_key.last_used_at <= v_now - interval '1 minute' then
    -- By try: of workers that share a key one writes, and none waits.
    update pgflow.worker_keys k
    set last_used_at = v_now
    where k.ctid = any (array(select x.ctid from pgflow.worker_keys x where x.key_id = v_key.key_id for no key update skip locked));
  end if;
  return query
  select c.* from pgflow._claim(claim_with_key.executor, claim_with_key.worker_id, claim_with_key.max_tasks, claim_with_key.lease_seconds,
    claim_with_key.mode, claim_with_key.inputs, v_key.flows) c;
end
$$;

comment on function pgflow.claim_with_key(text, text, text, int, double precision, text, text) is
  'As claim_step_tasks, for a worker without rights of its own: the key says for which executors, and of which flows. PF009 if the key is unknown, revoked or expired, PF006 if it is not for this executor.';
