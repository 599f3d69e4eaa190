create function pgflow._check_inputs(flow pgflow.flows, inputs jsonb[], priority int, tags jsonb, idempotency_keys text[],
  start_at timestamptz) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_step text;
  v_type text;
begin
  if _check_inputs.priority not between -100 and 100 then
    raise exception 'priority must be between -100 and 100, not %', _check_inputs.priority using errcode = 'PF008';
  end if;
  if not isfinite(_check_inputs.start_at) then
    raise exception 'start_at must be a time, not %', _check_inputs.start_at using errcode = 'PF008';
  end if;
  if exists (select from unnest(_check_inputs.idempotency_keys) k (key) where length(k.key) > 1000) then
    raise exception 'an idempotency key has at most 1000 characters' using errcode = 'PF007';
  end if;
  if jsonb_typeof(_check_inputs.tags) <> 'object' then
    raise exception 'tags must be an object, not %', jsonb_typeof(_check_inputs.tags) using errcode = 'PF008';
  end if;
  select s.step_slug into v_step from pgflow.steps s
  where s.flow_slug = flow.flow_slug and s.flow_version = flow.flow_version and s.map_over = 'run' limit 1;
  if found then
    select coalesce(jsonb_typeof(i.input), 'null') into v_type from unnest(_check_inputs.inputs) i (input)
    where jsonb_typeof(i.input) is distinct from 'array' limit 1;
    if found then
      raise exception 'the input of flow "%" must be an array, not %: step "%" maps over it', flow.flow_slug, v_type, v_step
        using errcode = 'PF008';
    end if;
  end if;
end
$$;

comment on function pgflow._check_inputs(pgflow.flows, jsonb[], int, jsonb, text[], timestamptz) is 'PF007 or PF008 if runs cannot start with these arguments.';
