create function pgflow_locks.lock_migration() returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(7150101, 0);
end
$$;

comment on function pgflow_locks.lock_migration() is 'Serialise migrations of the schema.';
