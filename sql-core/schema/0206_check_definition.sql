create function pgflow._check_definition(definition jsonb) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_slug text;
  v_place text;
  v_index int;
  v_problem text;
begin
  if octet_length(_check_definition.definition::text) > pgflow._limit('definition') then
    raise exception '%', pgflow._too_large('the definition', octet_length(_check_definition.definition::text), pgflow._limit('definition'))
      using errcode = 'PF007';
  end if;
  perform pgflow._check_keys('definition', _check_definition.definition, '{"flow_slug": "string", "options": "object",
    "input_schema": "object", "returns": "string", "steps": "array"}');
  v_slug := pgflow._check_slug('flow_slug', _check_definition.definition -> 'flow_slug');
  v_place := format('flow "%s"', v_slug);
  perform pgflow._check_options(v_place, coalesce(nullif(_check_definition.definition -> 'options', 'null'), '{}'));
  if coalesce(jsonb_array_length(nullif(_check_definition.definition -> 'steps', 'null')), 0) = 0 then
    raise exception '%: a flow needs at least one step', v_place using errcode = 'PF001';
  end if;
  if jsonb_array_length(_check_definition.definition -> 'steps') > pgflow._limit('steps') then
    raise exception '%', format('%s has %s steps, more than the %s allowed: map over an array instead', v_place,
        jsonb_array_length(_check_definition.definition -> 'steps'), pgflow._limit('steps')) using errcode = 'PF007';
  end if;
  select s.ordinality - 1, jsonb_typeof(s.value) into v_index, v_problem
  from jsonb_array_elements(_check_definition.definition -> 'steps') with ordinality s
  where jsonb_typeof(s.value) <> 'object' limit 1;
  if found then
    raise exception '%: steps[%] must be an object, not %', v_place, v_index, v_problem using errcode = 'PF001';
  end if;
  perform pgflow._check_step(v_slug, s.value) from jsonb_array_elements(_check_definition.definition -> 'steps') s;

  select format('%s: step "%s" is defined twice', v_place, s.value ->> 'step_slug') into v_problem
  from jsonb_array_elements(_check_definition.definition -> 'steps') s
  group by s.value ->> 'step_slug' having count(*) > 1
  limit 1;
  if v_problem is null then
    select format('%s, step "%s": depends on "%s", which is not a step of this flow', v_place, s.value ->> 'step_slug', d.slug)
      into v_problem
    from jsonb_array_elements(_check_definition.definition -> 'steps') s,
      jsonb_array_elements_text(nullif(s.value -> 'deps', 'null')) d (slug)
    where d.slug not in (select o.value ->> 'step_slug' from jsonb_array_elements(_check_definition.definition -> 'steps') o)
    limit 1;
  end if;
  if v_problem is null and not exists (
    select from jsonb_array_elements(_check_definition.definition -> 'steps') s
    where s.value ->> 'step_slug' = coalesce(_check_definition.definition ->> 'returns', s.value ->> 'step_slug'))
  then
    v_problem := format('%s: "returns" names "%s", which is not a step', v_place, _check_definition.definition ->> 'returns');
  end if;
  if v_problem is not null then
    raise exception '%', v_problem using errcode = 'PF001';
  end if;
  perform pgflow._check_flow_conditions(_check_definition.definition);
  perform pgflow._check_acyclic(v_slug, _check_definition.definition -> 'steps');
end
$$;

comment on function pgflow._check_definition(jsonb) is 'PF001 naming flow, step and key if a definition is wrong.';
