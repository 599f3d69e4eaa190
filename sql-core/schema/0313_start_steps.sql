create function pgflow._start_steps(run_ids uuid[], step_ids int[], not_before timestamptz, now timestamptz,
  out ended_runs uuid[], out ended_steps int[], out ended_cascades boolean[], out failed_runs uuid[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_oversized uuid[];
  v_unmet record;
  v_map record;
  v_status text;
  v_ready record;
begin
  v_oversized := pgflow._fail_oversized(_start_steps.run_ids, _start_steps.step_ids, _start_steps.now);
  v_unmet := pgflow._skip_unmet(_start_steps.run_ids, _start_steps.step_ids, _start_steps.now);
  select array_agg(u.run_id) filter (where u.policy <> 'fail'), array_agg(u.step_id) filter (where u.policy <> 'fail'),
    array_agg(u.policy = 'skip_cascade') filter (where u.policy <> 'fail'), array_agg(u.run_id) filter (where u.policy = 'fail')
    into _start_steps.ended_runs, _start_steps.ended_steps, _start_steps.ended_cascades, _start_steps.failed_runs
  from unnest(v_unmet.unmet_runs, v_unmet.unmet_steps, v_unmet.unmet_policies) u (run_id, step_id, policy);
  failed_runs := failed_runs || v_oversized;

  -- offset 0 cannot be flattened, and no join is ordered by `= any`: nothing is left but to probe the index by the whole key,
  -- whatever the statistics. Both its columns must come from one place.
  with single as materialized (
    select u.run_id, s.step_slug, s.start_delay
    from unnest(_start_steps.run_ids, _start_steps.step_ids) u (run_id, step_id)
      cross join lateral (
        select x.step_slug, x.start_delay from pgflow.steps x where x.step_id = u.step_id and x.step_type = 'single' offset 0) s
  ), started as (
    update pgflow.run_steps t
    set status = 'running', started_at = _start_steps.now,
      visible_at = nullif(greatest(_start_steps.not_before, _start_steps.now + make_interval(secs => s.start_delay)), _start_steps.now)
    from single s
    where t.run_id = any (array[s.run_id]) and t.step_slug = s.step_slug and t.status = 'pending'
    returning t.run_id, t.step_id, t.queue_id, t.visible_at
  )
  select array_agg(s.run_id) filter (where s.visible_at is null) as run_ids,
    array_agg(s.step_id) filter (where s.visible_at is null) as step_ids,
    array_agg(-1) filter (where s.visible_at is null) as indexes, array_agg(s.queue_id) filter (where s.visible_at is null) as queue_ids,
    array_agg(s.run_id) filter (where s.visible_at is not null) as late_run_ids,
    array_agg(s.step_id) filter (where s.visible_at is not null) as late_step_ids,
    array_agg(-1) filter (where s.visible_at is not null) as late_indexes,
    array_agg(s.visible_at) filter (where s.visible_at is not null) as due_ats
    into v_ready
  from started s;
  if v_ready.run_ids is not null then
    perform pgflow._enqueue(v_ready.run_ids, v_ready.step_ids, v_ready.indexes, v_ready.queue_ids);
  end if;
  if v_ready.late_run_ids is not null then
    perform pgflow._set_timers('delay', v_ready.late_run_ids, v_ready.late_step_ids, v_ready.late_indexes, v_ready.due_ats);
  end if;

  for v_map in
    select u.run_id, s.step_id,
      nullif(greatest(_start_steps.not_before, _start_steps.now + make_interval(secs => s.start_delay)), _start_steps.now) as visible_at
    from unnest(_start_steps.run_ids, _start_steps.step_ids) u (run_id, step_id)
      cross join lateral (
        select x.step_id, x.step_slug, x.start_delay from pgflow.steps x where x.step_id = u.step_id and x.step_type = 'map' offset 0) s
      cross join lateral (select x.status from pgflow.run_steps x where x.run_id = u.run_id and x.step_slug = s.step_slug offset 0) t
    where t.status = 'pending'
  loop
    v_status := pgflow._start_map(v_map.run_id, v_map.step_id, v_map.visible_at, _start_steps.now);
    if v_status = 'completed' then
      ended_runs := ended_runs || v_map.run_id;
      ended_steps := ended_steps || v_map.step_id;
      ended_cascades := ended_cascades || false;
    elsif v_status = 'failed' then
      failed_runs := failed_runs || v_map.run_id;
    end if;
  end loop;
end
$$;

comment on function pgflow._start_steps(uuid[], int[], timestamptz, timestamptz) is
  'Start pending steps whose dependencies ended. Returns those that ended at once (skipped, empty maps) and the runs that must fail.';
