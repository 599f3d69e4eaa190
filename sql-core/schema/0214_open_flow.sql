create function pgflow.open_flow(flow_slug text, role_name text default 'pgflow_user') returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform pgflow._check_slug('flow_slug', to_jsonb(open_flow.flow_slug));
  if not exists (select from pg_roles r where r.rolname = open_flow.role_name) then
    raise exception 'no role %', coalesce(quote_ident(open_flow.role_name), 'null') using errcode = 'PF008',
      hint = 'Name a role of the database: "authenticated", or leave it out for all who have pgflow_user.';
  end if;
  insert into pgflow.open_flows (flow_slug, role_name) values (open_flow.flow_slug, open_flow.role_name) on conflict do nothing;
  return found;
end
$$;

comment on function pgflow.open_flow(text, text) is
  'Let users with the rights of a role start a flow, now or once it is deployed. True if they could not before. PF008 if there is no such role.';
