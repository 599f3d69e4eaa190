create function pgflow._take_tasks(run_ids uuid[], step_ids int[], task_indexes int[], worker_id text, lease double precision,
  mode text, now timestamptz)
  returns table (ordinal bigint, run_id uuid, step_id int, task_index int, attempt int, token uuid, failures int, lease_expires_at timestamptz,
    external_id text, item jsonb)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- skip locked: a closer that holds the row may still roll back, and nobody waits for it. What is not taken is looked at again.
  -- Subqueries that lock, give a value or have an offset cannot be flattened: whatever the statistics, rows are found by their whole key.
  return query
  with free as (
    select t.place, u.ordinality, gen_random_uuid() as token, s.launch_timeout
    from unnest(_take_tasks.run_ids, _take_tasks.step_ids, _take_tasks.task_indexes)
        with ordinality u (run_id, step_id, task_index, ordinality)
      cross join lateral (select x.step_slug, x.launch_timeout from pgflow.steps x where x.step_id = u.step_id offset 0) s
      cross join lateral (
        select x.ctid as place from pgflow.run_steps x
        where x.run_id = u.run_id and x.step_slug = s.step_slug and x.status = 'running' and x.lease_expires_at is null
          and (x.visible_at is null or x.visible_at <= _take_tasks.now)
        for no key update of x skip locked) t
    where u.task_index = -1
      and (select true from pgflow.paused_runs p where p.run_id = u.run_id) is null
  )
  update pgflow.run_steps t
  set attempt = t.attempt + 1, token_hash = pgflow._token_hash(f.token), worker_id = _take_tasks.worker_id, instance_id = null,
    task_started_at = case when _take_tasks.mode = 'start' then _take_tasks.now end,
    lease_expires_at = _take_tasks.now + make_interval(secs =>
      case when _take_tasks.mode = 'start' then _take_tasks.lease else f.launch_timeout end),
    external_id = case when _take_tasks.mode <> 'start' then pgflow._external_id(t.run_id, t.step_slug, 0, t.attempt + 1) end
  from free f where t.ctid = f.place
  returning f.ordinality, t.run_id, t.step_id, 0, t.attempt, f.token, t.failures, t.lease_expires_at, t.external_id, null::jsonb;

  if 0 <= any (_take_tasks.task_indexes) then
    return query
    with free as (
      select t.place, u.ordinality, gen_random_uuid() as token, s.launch_timeout
      from unnest(_take_tasks.run_ids, _take_tasks.step_ids, _take_tasks.task_indexes)
          with ordinality u (run_id, step_id, task_index, ordinality)
        cross join lateral (select x.step_slug, x.launch_timeout from pgflow.steps x where x.step_id = u.step_id offset 0) s
        cross join lateral (
          select x.ctid as place from pgflow.map_tasks x
          where x.run_id = u.run_id and x.step_slug = s.step_slug and x.task_index = u.task_index and x.end_status is null
            and x.lease_expires_at is null and (x.visible_at is null or x.visible_at <= _take_tasks.now)
          for no key update of x skip locked) t
      where u.task_index >= 0
        and (select true from pgflow.paused_runs p where p.run_id = u.run_id) is null
    )
    update pgflow.map_tasks t
    set attempt = t.attempt + 1, token_hash = pgflow._token_hash(f.token), worker_id = _take_tasks.worker_id, instance_id = null,
      task_started_at = case when _take_tasks.mode = 'start' then _take_tasks.now end,
      lease_expires_at = _take_tasks.now + make_interval(secs =>
        case when _take_tasks.mode = 'start' then _take_tasks.lease else f.launch_timeout end),
      external_id = case when _take_tasks.mode <> 'start' then pgflow._external_id(t.run_id, t.step_slug, t.task_index, t.attempt + 1) end
    from free f where t.ctid = f.place
    returning f.ordinality, t.run_id, t.step_id, t.task_index, t.attempt, f.token, t.failures, t.lease_expires_at, t.external_id, t.input;
  end if;
end
$$;

comment on function pgflow._take_tasks(uuid[], int[], int[], text, double precision, text, timestamptz) is
  'Claim those of these tasks that are free: next attempt, fresh token, lease.';
