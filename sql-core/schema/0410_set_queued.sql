create function pgflow._set_queued(task pgflow._tasks, keep_token boolean, error jsonb,
  due_at timestamptz, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if task.is_map then
    update pgflow.map_tasks t
    set failures = task.failures, launch_failures = task.launch_failures, task_started_at = null, lease_expires_at = null,
      visible_at = _set_queued.due_at, token_hash = case when _set_queued.keep_token then t.token_hash end,
      external_id = case when _set_queued.keep_token then t.external_id end, instance_id = null,
      error = coalesce(_set_queued.error, t.error)
    where t.run_id = task.run_id and t.step_slug = task.step_slug and t.task_index = task.task_index;
  else
    update pgflow.run_steps t
    set failures = task.failures, launch_failures = task.launch_failures, task_started_at = null, lease_expires_at = null,
      visible_at = _set_queued.due_at, token_hash = case when _set_queued.keep_token then t.token_hash end,
      external_id = case when _set_queued.keep_token then t.external_id end, instance_id = null,
      error = coalesce(_set_queued.error, t.error)
    where t.run_id = task.run_id and t.step_slug = task.step_slug;
  end if;
  if _set_queued.due_at <= _set_queued.now then
    perform pgflow._enqueue(array[task.run_id], array[task.step_id], array[task.ready_index], array[task.queue_id]);
  else
    perform pgflow._set_timers('delay', array[task.run_id], array[task.step_id], array[task.ready_index], array[_set_queued.due_at]);
  end if;
end
$$;

comment on function pgflow._set_queued(pgflow._tasks, boolean, jsonb, timestamptz, timestamptz) is
  'Put a task back in the queue, from due_at on. A kept token may still report: work done is work kept.';
