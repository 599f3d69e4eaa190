-- In memory or stored as it is, the size is known without reading the value; only a compressed one must be unpacked.
-- Without a pinned search_path, so that the planner inlines it; every name in it is qualified.
create function pgflow._size(value jsonb) returns bigint
language sql stable parallel safe
as $$
  select case when pg_catalog.pg_column_compression(value) is null then pg_catalog.pg_column_size(value)
    else pg_catalog.pg_column_size(pg_catalog.jsonb_build_array(value)) end
$$;

comment on function pgflow._size(jsonb) is 'Bytes of a value in memory.';
