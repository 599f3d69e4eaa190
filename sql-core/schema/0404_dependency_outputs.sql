create function pgflow._dependency_outputs(run_id uuid, step_id int) returns jsonb
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return coalesce((
    select pgflow._object(array_agg(d.dep_slug), array_agg(t.output))
    from pgflow.deps d
      cross join lateral (
        select x.output from pgflow.run_steps x
        where x.run_id = _dependency_outputs.run_id and x.step_slug = d.dep_slug and x.status = 'completed' offset 0) t
    where d.step_id = _dependency_outputs.step_id and d.is_input), '{}');
end
$$;

comment on function pgflow._dependency_outputs(uuid, int) is 'What a step receives from its dependencies: one key a completed one.';
