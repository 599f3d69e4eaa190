-- Without a pinned search_path, so that the planner inlines it; every name in it is qualified.
create function pgflow._object(keys text[], outputs jsonb[]) returns jsonb
language sql stable
as $$
  select case pg_catalog.cardinality(keys)
    when 1 then pg_catalog.jsonb_build_object(keys[1], outputs[1])
    else pgflow._object_of_many(keys, outputs) end
$$;

comment on function pgflow._object(text[], jsonb[]) is
  'The object of these keys and outputs, in time that grows with their size; null of none. For arrays, to_jsonb(array_agg(...)) does the same.';
