-- Without a pinned search_path, so that the planner inlines it; every name in it is qualified.
create function pgflow._low_mark(low_xid bigint) returns bigint
language sql stable
as $$
  select case when low_xid <= pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint then low_xid else 0 end
$$;

comment on function pgflow._low_mark(bigint) is
  'The low-water mark of a queue; 0 if it is from the future: the database was restored where transaction ids are lower.';
