create function pgflow._put_back(run_ids uuid[], step_ids int[], task_indexes int[], now timestamptz) returns void
language plpgsql volatile
set search_path to ''
as $$
declare
  v_found record;
begin
  select array_agg(t.run_id) as run_ids, array_agg(t.step_id) as step_ids, array_agg(u.task_index) as indexes, array_agg(t.queue_id) as queue_ids
    into v_found
  from unnest(_put_back.run_ids, _put_back.step_ids, _put_back.task_indexes) u (run_id, step_id, task_index)
    join pgflow.steps s on s.step_id = u.step_id
    join pgflow.run_steps t on t.run_id = u.run_id and t.step_slug = s.step_slug
    left join pgflow.map_tasks m on u.task_index >= 0 and m.run_id = u.run_id and m.step_slug = s.step_slug and m.task_index = u.task_index
  where t.status = 'running'
    and case when u.task_index >= 0
      then m.end_status is null and m.lease_expires_at is null and (m.visible_at is null or m.visible_at <= _put_back.now)
      else t.lease_expires_at is null and (t.visible_at is null or t.visible_at <= _put_back.now) end;
  if v_found.run_ids is not null then
    perform pgflow._enqueue(v_found.run_ids, v_found.step_ids, v_found.indexes, v_found.queue_ids);
  end if;
end
$$;

comment on function pgflow._put_back(uuid[], int[], int[], timestamptz) is
  'Queue again those of these entries whose task could be claimed but was not: its row was locked, or its run is paused.';
