create function pgflow._exhaust(task pgflow._tasks, step pgflow.steps, error jsonb, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_effect text := step.when_exhausted;
begin
  if task.is_map then
    v_effect := pgflow._end_map_task(task, step, _exhaust.error, _exhaust.now);
  end if;
  if v_effect = 'completed' then
    perform pgflow._advance(array[task.run_id], array[task.step_id], array[false], _exhaust.now);
  elsif v_effect is not null then
    perform pgflow._end_step(task, v_effect, _exhaust.error, _exhaust.now);
  end if;
end
$$;

comment on function pgflow._exhaust(pgflow._tasks, pgflow.steps, jsonb, timestamptz) is
  'A task failed for good: end it, and its step if that follows.';
