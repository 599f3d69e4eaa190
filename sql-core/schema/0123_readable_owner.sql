create function pgflow.readable_owner() returns text
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  return case when pgflow._has_role(pgflow._effective_role(), '{pgflow_owner,pgflow_dispatcher,pgflow_viewer}') then null
    else pgflow._caller() end;
end
$$;

comment on function pgflow.readable_owner() is 'Whose runs the caller may read: null means everybody''s. Row level security asks it once a query.';
