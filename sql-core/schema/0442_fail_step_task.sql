create function pgflow.fail_step_task(run_id uuid, step_slug text, task_index int, attempt_token uuid, error jsonb,
  retryable boolean default true, retry_after_seconds double precision default null) returns text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
begin
  return pgflow._report_one(
    pgflow._task_key(fail_step_task.run_id, fail_step_task.step_slug, fail_step_task.task_index, fail_step_task.attempt_token)
    || jsonb_build_object('outcome', 'fail',
    'error', fail_step_task.error, 'retryable', coalesce(fail_step_task.retryable, true), 'retry_after_seconds', fail_step_task.retry_after_seconds));
end
$$;

comment on function pgflow.fail_step_task(uuid, text, int, uuid, jsonb, boolean, double precision) is
  'Fail an attempt in the caller''s transaction: retrying, failed, duplicate or stale. PF003 if there is no such task.';
