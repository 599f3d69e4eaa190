create function pgflow._expire(run_id uuid, step_slug text, ready_index int, now timestamptz) returns boolean
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '1ms'
as $$
declare
  v_task pgflow._tasks;
  v_step pgflow.steps;
  v_outcome text;
begin
  -- Tries, never waits: this runs inside claims, which may hold rows already. What cannot be had at once, the run lock or a row
  -- that an open claim holds, undoes the subtransaction. Nor may one run stop the sweep, and with it every claim.
  begin
    if not pgflow_locks.try_lock_run(_expire.run_id) then
      return false;
    end if;
    if _expire.ready_index = -1 then
      perform from pgflow.run_steps t
      where t.run_id = _expire.run_id and t.step_slug = _expire.step_slug
      for update skip locked;
    else
      perform from pgflow.map_tasks t
      where t.run_id = _expire.run_id and t.step_slug = _expire.step_slug and t.task_index = _expire.ready_index
      for update skip locked;
    end if;
    if not found then
      return false;
    end if;
    select t.* into v_task from pgflow._tasks t
    where t.run_id = _expire.run_id and t.step_slug = _expire.step_slug and t.ready_index = _expire.ready_index
      and t.is_live and t.lease_expires_at is not null;
    if not found then
      return true;
    end if;
    select s.* into v_step from pgflow.steps s where s.step_id = v_task.step_id;
    v_outcome := case
      when v_task.task_started_at + make_interval(secs => v_step.timeout) <= least(v_task.lease_expires_at, _expire.now) then 'timed_out'
      when v_task.lease_expires_at > _expire.now or pgflow._is_paused(_expire.run_id) then null
      when v_task.task_started_at is null then 'launch_failed'
      else 'lost'
    end;
    if v_outcome is null then
      return false;
    end if;
    perform pgflow._end_attempt(v_task, v_outcome, 'sweep',
      case v_outcome
        when 'launch_failed' then jsonb_build_object('code', 'LAUNCH_FAILED', 'message', format('not started within %s s of its launch', v_step.launch_timeout))
        when 'timed_out' then jsonb_build_object('code', 'TIMEOUT', 'message', format('not finished within %s s', v_step.timeout))
        else jsonb_build_object('code', 'LOST', 'message', format('worker %s stopped renewing its lease', v_task.worker_id))
      end, true, null, null, _expire.now);
    return true;
  exception
    when lock_not_available or deadlock_detected then
      return false;
    when others then
      raise warning 'pgflow: the lease of task % of step "%" in run % could not be ended: %', _expire.ready_index, _expire.step_slug,
        _expire.run_id, sqlerrm;
      return false;
  end;
end
$$;

comment on function pgflow._expire(uuid, text, int, timestamptz) is
  'End an attempt whose lease or timeout ran out: lost, timed out or never started. False if it lives on, or somebody holds the run or the row: look again.';
