create function pgflow._is_user() returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return not pgflow._has_role(pgflow._effective_role(), '{pgflow_owner,pgflow_dispatcher,pgflow_viewer,pgflow_client}');
end
$$;

comment on function pgflow._is_user() is
  'Whether the caller is a user of an application: somebody for whom only his own runs, and the flows that are open to him, exist.';
