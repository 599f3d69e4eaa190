create function pgflow._note_launches(executor text, worker_id text, run_ids uuid[], step_ids int[], task_indexes int[], now timestamptz)
  returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.launches (run_id, step_slug, task_index, attempt, executor, worker_id, external_id, claimed_at, launch_deadline, look_at)
  select t.run_id, t.step_slug, 0, t.attempt, _note_launches.executor, t.worker_id, t.external_id, _note_launches.now, t.lease_expires_at,
    _note_launches.now + interval '15 seconds'
  from unnest(_note_launches.run_ids, _note_launches.step_ids, _note_launches.task_indexes) u (run_id, step_id, task_index)
    cross join lateral (select x.step_slug from pgflow.steps x where x.step_id = u.step_id offset 0) s
    cross join lateral (select x.* from pgflow.run_steps x where x.run_id = u.run_id and x.step_slug = s.step_slug offset 0) t
  where u.task_index = -1 and t.worker_id = _note_launches.worker_id and t.external_id is not null and t.lease_expires_at is not null
  union all
  select t.run_id, t.step_slug, t.task_index, t.attempt, _note_launches.executor, t.worker_id, t.external_id, _note_launches.now,
    t.lease_expires_at, _note_launches.now + interval '15 seconds'
  from unnest(_note_launches.run_ids, _note_launches.step_ids, _note_launches.task_indexes) u (run_id, step_id, task_index)
    cross join lateral (select x.step_slug from pgflow.steps x where x.step_id = u.step_id offset 0) s
    cross join lateral (
      select x.* from pgflow.map_tasks x
      where x.run_id = u.run_id and x.step_slug = s.step_slug and x.task_index = u.task_index offset 0) t
  where u.task_index >= 0 and t.worker_id = _note_launches.worker_id and t.external_id is not null and t.lease_expires_at is not null
  -- Of the tasks popped some may have been claimed before: their rows are there.
  on conflict on constraint launches_pkey do nothing;
end
$$;

comment on function pgflow._note_launches(text, text, uuid[], int[], int[], timestamptz) is
  'Note attempts just claimed in mode launch, in the transaction that claims them: before anything is asked of another place.';
