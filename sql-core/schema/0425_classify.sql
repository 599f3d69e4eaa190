create function pgflow._classify(run_id uuid, step_slug text, task_index int, attempt_token uuid, outcome text) returns text
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_hash bytea := pgflow._token_hash(_classify.attempt_token);
  v_task pgflow._tasks;
begin
  if _classify.run_id is null then
    return 'invalid';
  end if;
  select t.* into v_task from pgflow._tasks t
  where t.run_id = _classify.run_id and t.step_slug = _classify.step_slug and t.task_index = _classify.task_index;
  if _classify.outcome = 'complete' and v_task.status = 'completed' and v_task.token_hash = v_hash
    or pgflow._ended_attempt(_classify.run_id, _classify.step_slug, _classify.task_index, v_hash, _classify.outcome)
  then
    return 'duplicate';
  elsif v_task.run_id is not null or pgflow._is_reset(_classify.run_id, _classify.step_slug, _classify.task_index) then
    return 'stale';
  end if;
  return 'unknown';
end
$$;

comment on function pgflow._classify(uuid, text, int, uuid, text) is
  'What to answer a report that was not applied: invalid, unknown, duplicate (this verb ended that attempt before) or stale.';
