create function pgflow._lock_live_rows(run_id uuid, step_slug text) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- After the run lock. Keeps claims and heartbeats, which take no run lock, from these rows while they are ended.
  perform from pgflow.run_steps t
  where t.run_id = _lock_live_rows.run_id and t.step_slug = coalesce(_lock_live_rows.step_slug, t.step_slug)
    and t.status in ('pending', 'running')
  order by t.step_slug
  for update;
  perform from pgflow.map_tasks t
  where t.run_id = _lock_live_rows.run_id and t.step_slug = coalesce(_lock_live_rows.step_slug, t.step_slug) and t.end_status is null
  order by t.step_slug, t.task_index
  for update;
end
$$;

comment on function pgflow._lock_live_rows(uuid, text) is 'Lock what is alive of a run, or of one of its steps, in the lock order.';
