-- Without a pinned search_path, so that the planner inlines it (a function call a row would cost more than the rest of a claim);
-- every name in it is qualified. offset 0: the dependencies are probed; a run may have a thousand other steps.
create function pgflow._dependency_outputs(run_id uuid, step_id int) returns setof jsonb
language sql stable
as $$
  select coalesce(pgflow._object(pg_catalog.array_agg(d.dep_slug), pg_catalog.array_agg(t.output)), '{}')
  from pgflow.deps d
    cross join lateral (
      select x.output from pgflow.run_steps x
      where x.run_id = _dependency_outputs.run_id and x.step_slug = d.dep_slug and x.status = 'completed' offset 0) t
  where d.step_id = _dependency_outputs.step_id and d.is_input
$$;

comment on function pgflow._dependency_outputs(uuid, int) is 'What a step receives from its dependencies, one row: one key a completed one.';
