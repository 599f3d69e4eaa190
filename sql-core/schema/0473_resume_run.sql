create function pgflow.resume_run(run_id uuid) returns text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_parked record;
  v_paused interval;
begin
  perform pgflow._check_run(resume_run.run_id);
  perform pgflow_locks.lock_runs(array[resume_run.run_id]);
  if pgflow._run_status(resume_run.run_id) <> 'running' then
    return 'already_ended';
  end if;
  delete from pgflow.paused_runs p where p.run_id = resume_run.run_id
  returning pgflow.clock() - p.paused_at into v_paused;
  if v_paused is null then
    return 'not_paused';
  end if;
  -- Paused time does not count as a missed lease.
  update pgflow.run_steps t set lease_expires_at = pgflow._shifted_lease(t.lease_expires_at, t.task_started_at, v_paused)
  where t.run_id = resume_run.run_id and t.status = 'running' and t.lease_expires_at is not null;
  update pgflow.map_tasks t set lease_expires_at = pgflow._shifted_lease(t.lease_expires_at, t.task_started_at, v_paused)
  where t.run_id = resume_run.run_id and t.end_status is null and t.lease_expires_at is not null;
  with unparked as (
    delete from pgflow.parked_tasks p where p.run_id = resume_run.run_id returning p.run_id, p.step_id, p.task_index
  )
  select array_agg(u.run_id order by s.step_index, u.task_index) as run_ids,
    array_agg(u.step_id order by s.step_index, u.task_index) as step_ids,
    array_agg(u.task_index order by s.step_index, u.task_index) as indexes,
    array_agg(t.queue_id order by s.step_index, u.task_index) as queue_ids
    into v_parked
  from unparked u
    cross join lateral (select x.step_slug, x.step_index from pgflow.steps x where x.step_id = u.step_id offset 0) s
    cross join lateral (select x.queue_id from pgflow.run_steps x where x.run_id = u.run_id and x.step_slug = s.step_slug offset 0) t;
  if v_parked.run_ids is not null then
    perform pgflow._enqueue(v_parked.run_ids, v_parked.step_ids, v_parked.indexes, v_parked.queue_ids);
  end if;
  perform pgflow._notify();
  return 'resumed';
end
$$;

comment on function pgflow.resume_run(uuid) is
  'Undo pause_run. resumed, not_paused or already_ended; PF003 if there is no such run, PF006 if it is not yours.';
