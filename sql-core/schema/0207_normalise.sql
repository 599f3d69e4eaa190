create function pgflow._normalise(definition jsonb) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_flow jsonb;
  v_steps jsonb;
begin
  -- A key that is null or empty says the same as no key.
  select coalesce(jsonb_object_agg(e.key, e.value), '{}') into v_flow
  from jsonb_each(_normalise.definition) e
  where e.value not in ('null', '{}') or e.key = 'input_schema' and e.value = '{}';
  select jsonb_agg(
      (select jsonb_object_agg(e.key, e.value) from jsonb_each(s.value) e
       where e.value not in ('null', '{}', '[]') and (e.key, e.value) not in (('needs_run_input', 'false'), ('step_type', '"single"')))
      order by s.ordinality)
    into v_steps
  from jsonb_array_elements(_normalise.definition -> 'steps') with ordinality s;
  return v_flow || jsonb_build_object('steps', v_steps);
end
$$;

comment on function pgflow._normalise(jsonb) is 'The definition with keys that say nothing left out; no default is filled in.';
