create function pgflow._requeue_map(run_id uuid, step_slug text, step_id int, queue_id int, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_indexes int[];
  v_size int[];
begin
  with reset as (
    update pgflow.map_tasks t
    set end_status = null, finished_at = null, output = null, error = null, failures = 0, launch_failures = 0, task_started_at = null,
      lease_expires_at = null, visible_at = null, token_hash = null, instance_id = null
    where t.run_id = _requeue_map.run_id and t.step_slug = _requeue_map.step_slug and t.end_status is distinct from 'completed'
    returning t.task_index
  )
  select array_agg(r.task_index order by r.task_index), array[count(*)] into v_indexes, v_size from reset r;
  insert into pgflow.map_counters (run_id, step_slug, slot, remaining)
  select _requeue_map.run_id, _requeue_map.step_slug, i.task_index % 16, count(*)
  from unnest(v_indexes) i (task_index) group by 3;
  update pgflow.run_steps t set status = 'running', started_at = _requeue_map.now
  where t.run_id = _requeue_map.run_id and t.step_slug = _requeue_map.step_slug;
  perform pgflow._enqueue(array_fill(_requeue_map.run_id, v_size), array_fill(_requeue_map.step_id, v_size), v_indexes,
    array_fill(_requeue_map.queue_id, v_size));
end
$$;

comment on function pgflow._requeue_map(uuid, text, int, int, timestamptz) is 'Queue the items of a map that did not complete, and start it again.';
