create function pgflow.flow(flow_slug text, variadic steps jsonb[]) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  return jsonb_build_object('flow_slug', flow.flow_slug, 'steps', to_jsonb(flow.steps));
end
$$;

comment on function pgflow.flow(text, jsonb[]) is
  'A definition from steps, for people who write SQL; add flow options with || jsonb_build_object(''options'', ...).';
