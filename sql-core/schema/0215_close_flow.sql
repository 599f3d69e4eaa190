create function pgflow.close_flow(flow_slug text, role_name text default 'pgflow_user') returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  delete from pgflow.open_flows o where o.flow_slug = close_flow.flow_slug and o.role_name = close_flow.role_name;
  return found;
end
$$;

comment on function pgflow.close_flow(text, text) is 'Take back what open_flow gave. True if there was something to take; runs go on.';
