create function pgflow._task_key(run_id uuid, step_slug text, task_index int, attempt_token uuid) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_nil uuid := '00000000-0000-0000-0000-000000000000';
begin
  -- A null names no task, and is nobody's token.
  return jsonb_build_object('run_id', coalesce(_task_key.run_id, v_nil), 'step_slug', coalesce(_task_key.step_slug, ''),
    'task_index', coalesce(_task_key.task_index, -1), 'attempt_token', coalesce(_task_key.attempt_token, v_nil));
end
$$;

comment on function pgflow._task_key(uuid, text, int, uuid) is 'What names an attempt in a report.';
