create function pgflow_locks.try_lock_run(run_id uuid) returns boolean
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  return pg_try_advisory_xact_lock(7150104, uuid_hash(try_lock_run.run_id));
end
$$;

comment on function pgflow_locks.try_lock_run(uuid) is 'Take the exclusive lock of a run if nobody holds it.';
