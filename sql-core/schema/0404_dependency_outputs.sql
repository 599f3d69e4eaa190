create function pgflow._dependency_outputs(run_id uuid, step_id int) returns jsonb
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return coalesce((
    select pgflow._object(array_agg(d.dep_slug), array_agg(t.output))
    from pgflow.deps d join pgflow.run_steps t on t.run_id = _dependency_outputs.run_id and t.step_slug = d.dep_slug
    where d.step_id = _dependency_outputs.step_id and d.is_input and t.status = 'completed'), '{}');
end
$$;

comment on function pgflow._dependency_outputs(uuid, int) is 'What a step receives from its dependencies: one key a completed one.';
