create function pgflow._map_output(run_id uuid, step_slug text) returns jsonb
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(to_jsonb(array_agg(t.output order by t.task_index)), '[]')
    from pgflow.map_tasks t
    where t.run_id = _map_output.run_id and t.step_slug = _map_output.step_slug
  );
end
$$;

comment on function pgflow._map_output(uuid, text) is 'Outputs of a map step in item order; null where an item failed.';
