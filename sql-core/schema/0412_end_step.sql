create function pgflow._end_step(task pgflow._tasks, policy text, error jsonb, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if task.is_map then
    perform pgflow._cancel_tasks(task.run_id, task.step_slug, _end_step.now);
  end if;
  update pgflow.run_steps t
  set status = case when _end_step.policy = 'fail' then 'failed' else 'skipped' end,
    skip_reason = case when _end_step.policy <> 'fail' then 'handler_failed' end,
    failures = case when task.is_map then t.failures else task.failures end,
    launch_failures = case when task.is_map then t.launch_failures else task.launch_failures end,
    error = _end_step.error, finished_at = _end_step.now, token_hash = null
  where t.run_id = task.run_id and t.step_slug = task.step_slug;
  if _end_step.policy = 'fail' then
    perform pgflow._close_run(task.run_id, 'failed', _end_step.error, _end_step.now);
  else
    perform pgflow._advance(array[task.run_id], array[task.step_id], array[_end_step.policy = 'skip_cascade'], _end_step.now);
  end if;
end
$$;

comment on function pgflow._end_step(pgflow._tasks, text, jsonb, timestamptz) is
  'End the step of a task that failed for good, as its when_exhausted says, and carry on from there.';
