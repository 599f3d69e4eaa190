create function pgflow._find_flow(flow_slug text, flow_version int) returns pgflow.flows
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_flow pgflow.flows;
begin
  select f.* into v_flow from pgflow.flows f
  where f.flow_slug = _find_flow.flow_slug
    and case when _find_flow.flow_version is null then f.is_active else f.flow_version = _find_flow.flow_version end;
  if not found then
    raise exception '%', case when _find_flow.flow_version is null then format('no flow "%s"', _find_flow.flow_slug)
        else format('no version %s of flow "%s"', _find_flow.flow_version, _find_flow.flow_slug) end
      using errcode = 'PF002', hint = 'Deploy it first: pgflow deploy, or select pgflow.define_flow(...).';
  end if;
  return v_flow;
end
$$;

comment on function pgflow._find_flow(text, int) is 'The flow version asked for, or the active one; PF002 if there is none.';
