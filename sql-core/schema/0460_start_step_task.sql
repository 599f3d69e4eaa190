create function pgflow.start_step_task(run_id uuid, step_slug text, task_index int, attempt_token uuid, instance_id text)
  returns table (status text, input jsonb, lease_expires_at timestamptz)
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
  v_now timestamptz := pgflow.clock();
  v_task pgflow._tasks;
  v_step pgflow.steps;
  v_lease timestamptz;
begin
  if start_step_task.instance_id is null then
    raise exception 'instance_id must be given' using errcode = 'PF008';
  end if;
  perform pgflow._check_name('instance_id', start_step_task.instance_id);
  select t.* into v_task from pgflow._lock_task(start_step_task.run_id, start_step_task.step_slug, start_step_task.task_index) t;
  if v_task.run_id is null then
    raise exception 'no task % of step "%" in run %', start_step_task.task_index, start_step_task.step_slug, start_step_task.run_id
      using errcode = 'PF003';
  end if;
  if not v_task.is_live or v_task.lease_expires_at is null
    or v_task.token_hash is distinct from pgflow._token_hash(start_step_task.attempt_token)
  then
    return query select 'stale', null::jsonb, null::timestamptz;
    return;
  elsif v_task.task_started_at is not null and v_task.instance_id is distinct from start_step_task.instance_id then
    return query select 'conflict', null::jsonb, null::timestamptz;
    return;
  end if;
  -- Another copy of it may have been seen to end.
  update pgflow.launches l set over_since = null
  where l.run_id = v_task.run_id and l.step_slug = v_task.step_slug and l.task_index = v_task.task_index and l.attempt = v_task.attempt
    and l.over_since is not null;
  select s.* into v_step from pgflow.steps s where s.step_id = v_task.step_id;
  v_lease := v_task.lease_expires_at;
  if v_task.task_started_at is null then
    v_lease := v_now + make_interval(secs => coalesce(v_step.heartbeat_timeout, v_step.timeout + 10));
    perform pgflow._set_started(v_task, start_step_task.instance_id, v_lease, v_now);
  end if;
  return query
  select 'started',
    case when v_step.needs_run_input then jsonb_build_object('run', r.input) else '{}' end
    || case when v_task.is_map then jsonb_build_object('item', v_task.input) else '{}' end
    || (select d from pgflow._dependency_outputs(v_task.run_id, v_task.step_id) d),
    v_lease
  from pgflow.runs r where r.run_id = v_task.run_id;
end
$$;

comment on function pgflow.start_step_task(uuid, text, int, uuid, text) is
  'The handshake of a launched attempt: started (first, or the same instance again), conflict (another instance has it) or stale. PF003 if there is no such task.';
