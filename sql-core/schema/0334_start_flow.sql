create function pgflow.start_flow(flow_slug text, input jsonb default '{}', idempotency_key text default null, tags jsonb default '{}')
  returns setof pgflow.started_run
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_key text := start_flow.idempotency_key;
begin
  if pgflow._is_user() then
    if not exists (
      select from pgflow.open_flows o
      where o.flow_slug = start_flow.flow_slug and pgflow._has_role(pgflow._effective_role(), array[o.role_name])) then
      -- In the words of run_flow: which other flows there are is not for users.
      raise exception 'no flow "%"', start_flow.flow_slug using errcode = 'PF002',
        hint = 'Users start what is deployed and open to them: select pgflow.open_flow(...).';
    end if;
    -- A user's keys are his own: as they are they would tell of another's, or take it away.
    v_key := case when v_key is not null then jsonb_build_array(pgflow._caller(), v_key)::text end;
  end if;
  return query
  select s.*
  from pgflow.run_flow(start_flow.flow_slug, start_flow.input, idempotency_key => v_key, tags => start_flow.tags) s;
end
$$;

comment on function pgflow.start_flow(text, jsonb, text, jsonb) is
  'Start a run as a user of an application: of a flow that open_flow opened, with idempotency keys of his own. PF002 for any other flow; else as run_flow, which it is for everybody who is no user.';
