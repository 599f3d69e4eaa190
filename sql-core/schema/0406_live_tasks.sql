create function pgflow._live_tasks(run_ids uuid[], step_ids int[], task_indexes int[])
  returns table (ordinality bigint, run_id uuid, step_id int, task_index int, step_slug text, queue_id int, lease_expires_at timestamptz,
    visible_at timestamptz, due_at timestamptz)
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Most tasks of a lease batch ended long ago: the joins drop them. offset 0 keeps the subqueries apart, so that
  -- rows are found by their whole key whatever the statistics.
  return query
  select u.ordinality, u.run_id, u.step_id, u.task_index, s.step_slug, t.queue_id, t.lease_expires_at, t.visible_at,
    least(t.lease_expires_at, t.task_started_at + make_interval(secs => s.timeout))
  from unnest(_live_tasks.run_ids, _live_tasks.step_ids, _live_tasks.task_indexes) with ordinality u (run_id, step_id, task_index, ordinality)
    cross join lateral (select x.step_slug, x.timeout from pgflow.steps x where x.step_id = u.step_id offset 0) s
    cross join lateral (
      select x.* from pgflow.run_steps x where x.run_id = u.run_id and x.step_slug = s.step_slug and x.status = 'running' offset 0) t
  where u.task_index = -1;
  if 0 <= any (_live_tasks.task_indexes) then
    return query
    select u.ordinality, u.run_id, u.step_id, u.task_index, s.step_slug, r.queue_id, t.lease_expires_at, t.visible_at,
      least(t.lease_expires_at, t.task_started_at + make_interval(secs => s.timeout))
    from unnest(_live_tasks.run_ids, _live_tasks.step_ids, _live_tasks.task_indexes) with ordinality u (run_id, step_id, task_index, ordinality)
      cross join lateral (select x.step_slug, x.timeout from pgflow.steps x where x.step_id = u.step_id offset 0) s
      cross join lateral (
        select x.* from pgflow.map_tasks x
        where x.run_id = u.run_id and x.step_slug = s.step_slug and x.task_index = u.task_index offset 0) t
      cross join lateral (select x.* from pgflow.run_steps x where x.run_id = u.run_id and x.step_slug = s.step_slug offset 0) r
    where u.task_index >= 0 and t.end_status is null;
  end if;
end
$$;

comment on function pgflow._live_tasks(uuid[], int[], int[]) is
  'Those of the tasks named by hints that are alive, with what claims and sweeps ask of them; due_at is the earlier of lease and timeout.';
