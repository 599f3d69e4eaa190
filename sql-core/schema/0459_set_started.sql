create function pgflow._set_started(task pgflow._tasks, instance_id text, lease_expires_at timestamptz, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if task.is_map then
    update pgflow.map_tasks t
    set task_started_at = _set_started.now, instance_id = _set_started.instance_id, lease_expires_at = _set_started.lease_expires_at
    where t.run_id = task.run_id and t.step_slug = task.step_slug and t.task_index = task.task_index;
  else
    update pgflow.run_steps t
    set task_started_at = _set_started.now, instance_id = _set_started.instance_id, lease_expires_at = _set_started.lease_expires_at
    where t.run_id = task.run_id and t.step_slug = task.step_slug;
  end if;
  -- The old timer is that of the launch deadline, and may be later than the new lease.
  perform pgflow._set_timers('lease', array[task.run_id], array[task.step_id], array[task.ready_index], array[least(_set_started.lease_expires_at,
    _set_started.now + make_interval(secs => (select s.timeout from pgflow.steps s where s.step_id = task.step_id)))]);
end
$$;

comment on function pgflow._set_started(pgflow._tasks, text, timestamptz, timestamptz) is 'Mark a launched attempt as running in this instance.';
