create function pgflow._clean_tasks(tasks jsonb) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  perform from jsonb_to_recordset(_clean_tasks.tasks) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid);
  return _clean_tasks.tasks;
exception when data_exception then
  return pgflow._clean_reports((
    select jsonb_agg(t.value || '{"outcome": "complete"}' order by t.ordinality)
    from jsonb_array_elements(_clean_tasks.tasks) with ordinality t));
end
$$;

comment on function pgflow._clean_tasks(jsonb) is
  'References to attempts, with an empty object in the place of each that has a bad shape: one must not cost the others theirs.';
