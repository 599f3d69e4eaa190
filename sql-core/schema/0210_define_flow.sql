create function pgflow.define_flow(definition jsonb) returns table (flow_slug text, flow_version int, created boolean)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_slug text;
  v_definition jsonb;
  v_hash text;
  v_version int;
  v_active boolean;
  v_created boolean := false;
begin
  perform pgflow._check_definition(define_flow.definition);
  v_slug := define_flow.definition ->> 'flow_slug';
  v_definition := pgflow._normalise(define_flow.definition);
  v_hash := encode(sha256(convert_to(v_definition::text, 'UTF8')), 'hex');
  perform pgflow_locks.lock_definition(v_slug);

  select f.flow_version, f.is_active into v_version, v_active
  from pgflow.flows f where f.flow_slug = v_slug and f.definition_hash = v_hash;
  if v_version is null then
    v_created := true;
    v_active := false;
    select coalesce(max(f.flow_version), 0) + 1 into v_version from pgflow.flows f where f.flow_slug = v_slug;
    insert into pgflow.flows (flow_slug, flow_version, definition, definition_hash, is_active, counted_steps, created_at)
    values (v_slug, v_version, v_definition, v_hash, false, 0, pgflow.clock())
    -- Cannot happen under the lock, but to a snapshot older than the lock: this form raises 40001 then.
    on conflict do nothing;
    perform pgflow._insert_steps(v_slug, v_version, v_definition);
  end if;
  if not v_active then
    update pgflow.flows f set is_active = false where f.flow_slug = v_slug and f.is_active;
    update pgflow.flows f set is_active = true where f.flow_slug = v_slug and f.flow_version = v_version;
  end if;
  return query select v_slug, v_version, v_created;
end
$$;

comment on function pgflow.define_flow(jsonb) is 'Define a flow. The same content activates its version again; new content becomes the next version. PF001 if it is wrong.';
