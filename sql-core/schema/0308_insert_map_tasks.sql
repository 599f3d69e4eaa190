create function pgflow._insert_map_tasks(run_id uuid, step pgflow.steps, queue_id int, items jsonb, existing int,
  visible_at timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count int := jsonb_array_length(_insert_map_tasks.items);
  v_xid bigint := pg_current_xact_id()::text::bigint;
begin
  -- Rows are there already when retry_run reruns the step: their attempt numbers go on. (Not by on conflict: that costs
  -- 48 bytes of WAL an item.)
  if _insert_map_tasks.existing > 0 then
    update pgflow.map_tasks t
    set input = i.value, visible_at = _insert_map_tasks.visible_at, failures = 0, launch_failures = 0, task_started_at = null,
      lease_expires_at = null, token_hash = null, finished_at = null, end_status = null, output = null, error = null
    from jsonb_array_elements(_insert_map_tasks.items) with ordinality i
    where t.run_id = _insert_map_tasks.run_id and t.step_slug = step.step_slug and t.task_index = i.ordinality - 1;
    -- What is left over goes, but its attempt numbers do not come back: the step row keeps the highest.
    with surplus as (
      delete from pgflow.map_tasks t
      where t.run_id = _insert_map_tasks.run_id and t.step_slug = step.step_slug and t.task_index >= v_count
      returning t.attempt
    )
    update pgflow.run_steps t
    set attempt = greatest(t.attempt, (select max(s.attempt) from surplus s))
    where t.run_id = _insert_map_tasks.run_id and t.step_slug = step.step_slug;
  end if;
  insert into pgflow.map_tasks (run_id, step_id, task_index, step_slug, input, attempt, visible_at)
  select _insert_map_tasks.run_id, step.step_id, i.ordinality::int - 1, step.step_slug, i.value, r.attempt, _insert_map_tasks.visible_at
  from pgflow.run_steps r, jsonb_array_elements(_insert_map_tasks.items) with ordinality i
  where r.run_id = _insert_map_tasks.run_id and r.step_slug = step.step_slug and i.ordinality > _insert_map_tasks.existing;
  insert into pgflow.map_counters (run_id, step_slug, slot, remaining)
  select _insert_map_tasks.run_id, step.step_slug, s.slot, (v_count - s.slot + 15) / 16
  from generate_series(0, least(v_count, 16) - 1) s (slot);
  if v_count = 0 then
    return;
  elsif _insert_map_tasks.visible_at is null then
    insert into pgflow.ready_tasks (xid, run_id, queue_id, step_id, task_index)
    select v_xid, _insert_map_tasks.run_id, _insert_map_tasks.queue_id, step.step_id, i.task_index
    from generate_series(0, v_count - 1) i (task_index);
    if exists (select from pgflow.paused_runs) then
      perform pgflow._park_paused(array[_insert_map_tasks.run_id], true);
    end if;
  else
    perform pgflow._set_timers('delay', array_fill(_insert_map_tasks.run_id, array[v_count]), array_fill(step.step_id, array[v_count]),
      array(select generate_series(0, v_count - 1)), array_fill(_insert_map_tasks.visible_at, array[v_count]));
  end if;
end
$$;

comment on function pgflow._insert_map_tasks(uuid, pgflow.steps, int, jsonb, int, timestamptz) is
  'Write one task an item, the counters, and where to look for them: ready now, or a timer.';
