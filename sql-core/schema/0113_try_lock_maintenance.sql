create function pgflow_locks.try_lock_maintenance() returns boolean
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  return pg_try_advisory_xact_lock(7150103, 0);
end
$$;

comment on function pgflow_locks.try_lock_maintenance() is 'Take the maintenance lock if nobody holds it: one pass at a time.';
