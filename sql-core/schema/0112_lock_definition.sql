create function pgflow_locks.lock_definition(flow_slug text) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(7150102, hashtext(lock_definition.flow_slug));
end
$$;

comment on function pgflow_locks.lock_definition(text) is 'Serialise the definition of one flow.';
