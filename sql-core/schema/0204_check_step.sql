create function pgflow._check_step(flow_slug text, step jsonb) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_slug text;
  v_place text;
  v_dep text;
  v_deps text[] := '{}';
  v_type text;
  v_map_over text;
begin
  v_place := format('flow "%s", step %s', _check_step.flow_slug, coalesce(_check_step.step -> 'step_slug', 'null'));
  perform pgflow._check_keys(v_place, _check_step.step, '{"step_slug": "string", "step_type": "string", "deps": "array",
    "map_over": "string", "needs_run_input": "boolean", "params": "object", "executor": "string",
    "executor_options": "object", "handler": "string", "options": "object"}');
  v_slug := pgflow._check_slug(format('flow "%s": step_slug', _check_step.flow_slug), _check_step.step -> 'step_slug');
  v_type := coalesce(_check_step.step ->> 'step_type', 'single');
  if v_type not in ('single', 'map') then
    raise exception '%: "step_type" must be "single" or "map", not "%"', v_place, v_type using errcode = 'PF001';
  end if;
  if _check_step.step ->> 'executor' !~ '^[a-zA-Z0-9_.-]{1,128}$' then
    raise exception '%: "executor" must be 1 to 128 letters, digits, dots, dashes and underscores', v_place using errcode = 'PF001';
  elsif _check_step.step ->> 'handler' = '' then
    raise exception '%: "handler" must not be empty', v_place using errcode = 'PF001';
  end if;
  for v_dep in
    select pgflow._check_slug(v_place || ': deps:', d.value)
    from jsonb_array_elements(case when jsonb_typeof(_check_step.step -> 'deps') = 'array' then _check_step.step -> 'deps' else '[]' end) d
  loop
    if v_dep = v_slug then
      raise exception '%: depends on itself', v_place using errcode = 'PF001';
    elsif v_dep = any (v_deps) then
      raise exception '%: deps: "%" is listed twice', v_place, v_dep using errcode = 'PF001';
    end if;
    v_deps := v_deps || v_dep;
  end loop;
  v_map_over := _check_step.step ->> 'map_over';
  if v_type = 'single' and v_map_over is not null then
    raise exception '%: "map_over" is for map steps', v_place using errcode = 'PF001';
  elsif v_type = 'map' and v_map_over is null then
    raise exception '%: a map step needs "map_over": "run" or one of its deps', v_place using errcode = 'PF001';
  elsif v_map_over <> 'run' and v_map_over <> all (v_deps) then
    raise exception '%: "map_over" names "%", which is neither "run" nor one of its deps', v_place, v_map_over
      using errcode = 'PF001';
  end if;
  perform pgflow._check_options(v_place, coalesce(nullif(_check_step.step -> 'options', 'null'), '{}'));
  perform pgflow._check_references(v_place, _check_step.step, v_deps);
end
$$;

comment on function pgflow._check_step(text, jsonb) is 'PF001 naming the step and the key if a step of a definition is wrong in itself.';
