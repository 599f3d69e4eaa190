create function pgflow._check_references(place text, step jsonb, deps text[]) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_key text;
  v_value jsonb;
  v_source text;
  v_is_map boolean := _check_references.step ->> 'step_type' = 'map';
begin
  for v_key, v_value in select p.key, p.value from jsonb_each(nullif(_check_references.step -> 'params', 'null')) p loop
    v_source := case when jsonb_typeof(v_value) = 'string' then v_value #>> '{}' end;
    if v_value ? 'const' and jsonb_typeof(v_value) = 'object' and v_value - 'const' = '{}' then
      continue;
    elsif v_source is null then
      raise exception '%: params "%" must be "run", "item", a dependency or {"const": value}', _check_references.place, v_key
        using errcode = 'PF001';
    elsif v_source = 'item' and v_is_map or v_source = any (_check_references.deps) then
      continue;
    elsif v_source = 'run' and coalesce((nullif(_check_references.step -> 'needs_run_input', 'null'))::boolean, false) then
      continue;
    end if;
    raise exception '%: params "%" names "%", which the step does not receive', _check_references.place, v_key, v_source
      using errcode = 'PF001', hint = 'List it in "deps", or set "needs_run_input" for "run"; "item" is for map steps.';
  end loop;
  for v_key in
    select k.key
    from (values ('required_input'), ('forbidden_input')) o (name),
      jsonb_object_keys(nullif(_check_references.step -> 'options' -> o.name, 'null')) k (key)
  loop
    if v_key <> 'run' and v_key <> all (_check_references.deps) then
      raise exception '%: a condition names "%", which is neither "run" nor one of its deps', _check_references.place, v_key
        using errcode = 'PF001';
    end if;
  end loop;
end
$$;

comment on function pgflow._check_references(text, jsonb, text[]) is 'PF001 if params or conditions of a step name what it does not receive.';
