create function pgflow.claim_step_tasks(executor text, worker_id text, max_tasks int, lease_seconds double precision default 30,
  mode text default 'start', inputs text default 'full')
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
  v_is_valid constant boolean := pgflow._check_claim(claim_step_tasks.executor, claim_step_tasks.worker_id, claim_step_tasks.max_tasks,
    claim_step_tasks.lease_seconds, claim_step_tasks.mode, claim_step_tasks.inputs);
begin
  return query
  select c.* from pgflow._claim(claim_step_tasks.executor, claim_step_tasks.worker_id, claim_step_tasks.max_tasks,
    claim_step_tasks.lease_seconds, claim_step_tasks.mode, claim_step_tasks.inputs) c;
end
$$;

comment on function pgflow.claim_step_tasks(text, text, int, double precision, text, text) is
  'Claim up to max_tasks ready tasks of an executor: highest priority first, then the oldest. mode start: the caller runs them; launch: they are handed on and start by start_step_task.';
