create function pgflow.complete_step_task(run_id uuid, step_slug text, task_index int, attempt_token uuid, output jsonb) returns text
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
    pgflow._task_key(complete_step_task.run_id, complete_step_task.step_slug, complete_step_task.task_index, complete_step_task.attempt_token)
    || jsonb_build_object('outcome', 'complete',
    'output', complete_step_task.output));
end
$$;

comment on function pgflow.complete_step_task(uuid, text, int, uuid, jsonb) is
  'Complete an attempt in the caller''s transaction: completed, duplicate or stale. PF003 if there is no such task.';
