create function pgflow._start_map(run_id uuid, step_id int, visible_at timestamptz, now timestamptz) returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_step pgflow.steps;
  v_items jsonb;
  v_source_type text;
  v_queue_id int;
  v_count int;
  v_existing int;
begin
  select s.* into v_step from pgflow.steps s where s.step_id = _start_map.step_id;
  select t.task_count, t.queue_id into v_count, v_queue_id
  from pgflow.run_steps t where t.run_id = _start_map.run_id and t.step_slug = v_step.step_slug;
  if v_count > 0 then
    perform pgflow._requeue_map(_start_map.run_id, v_step.step_slug, v_step.step_id, v_queue_id, _start_map.now);
    return 'running';
  end if;
  if v_step.map_over = 'run' then
    select r.input into v_items from pgflow.runs r where r.run_id = _start_map.run_id;
  else
    select case when t.status = 'completed' then case when t.output is null then pgflow._map_output(t.run_id, t.step_slug) else t.output end
      else '[]' end
      into v_items
    from pgflow.run_steps t where t.run_id = _start_map.run_id and t.step_slug = v_step.map_over;
  end if;
  v_source_type := jsonb_typeof(v_items);
  if v_source_type <> 'array' then
    update pgflow.run_steps t
    set status = 'failed', finished_at = _start_map.now,
      error = jsonb_build_object('code', 'TYPE_VIOLATION',
        'message', format('map step "%s" needs an array, but "%s" gave %s', v_step.step_slug, v_step.map_over, v_source_type),
        'details', jsonb_build_object('producer', v_step.map_over, 'type', v_source_type), 'step_slug', v_step.step_slug)
    where t.run_id = _start_map.run_id and t.step_slug = v_step.step_slug;
    return 'failed';
  end if;
  v_count := jsonb_array_length(v_items);
  if v_count > pgflow._limit('map_items') then
    update pgflow.run_steps t
    set status = 'failed', finished_at = _start_map.now,
      error = jsonb_build_object('code', 'TOO_MANY_ITEMS', 'step_slug', v_step.step_slug,
        'message', pgflow._too_large(format('"%s", which step "%s" maps over,', v_step.map_over, v_step.step_slug),
          v_count, pgflow._limit('map_items'), 'items'))
    where t.run_id = _start_map.run_id and t.step_slug = v_step.step_slug;
    return 'failed';
  end if;
  select coalesce(max(t.task_index) + 1, 0) into v_existing from pgflow.map_tasks t
  where t.run_id = _start_map.run_id and t.step_slug = v_step.step_slug;
  update pgflow.run_steps t
  set status = case when v_count = 0 then 'completed' else 'running' end, started_at = _start_map.now, task_count = v_count,
    finished_at = case when v_count = 0 then _start_map.now end, output = case when v_count = 0 then '[]'::jsonb end
  where t.run_id = _start_map.run_id and t.step_slug = v_step.step_slug
  returning t.queue_id into v_queue_id;
  if v_count > 0 or v_existing > 0 then
    perform pgflow._insert_map_tasks(_start_map.run_id, v_step, v_queue_id, v_items, v_existing, _start_map.visible_at);
  end if;
  return case when v_count = 0 then 'completed' else 'running' end;
end
$$;

comment on function pgflow._start_map(uuid, int, timestamptz, timestamptz) is
  'Start a map step whose dependencies ended: running with its tasks, completed if there is no item, failed if its source is no array. Returns the new status.';
