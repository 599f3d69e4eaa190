create function pgflow_locks.use_flow(flow_slug text, exclusive boolean default false) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if use_flow.exclusive then
    perform pg_advisory_xact_lock(7150105, hashtext(use_flow.flow_slug));
  else
    perform pg_advisory_xact_lock_shared(7150105, hashtext(use_flow.flow_slug));
  end if;
end
$$;

comment on function pgflow_locks.use_flow(text, boolean) is 'Shared by whoever starts runs of a flow; exclusive to delete it.';
