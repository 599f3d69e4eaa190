create function pgflow._check_flow_conditions(definition jsonb) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_problem text;
begin
  -- A step that lacks what is required would be skipped in every run; what is forbidden may be missing, but must exist.
  select format('flow "%s", step "%s": the required_input of the flow names "%s", which is neither "run" nor one of its deps',
      _check_flow_conditions.definition ->> 'flow_slug', s.value ->> 'step_slug', k.key)
    into v_problem
  from jsonb_array_elements(_check_flow_conditions.definition -> 'steps') s,
    jsonb_object_keys(_check_flow_conditions.definition -> 'options' -> 'required_input') k (key)
  where k.key <> 'run' and not coalesce(s.value -> 'options' ? 'required_input', false) and not coalesce(s.value -> 'deps' ? k.key, false)
  limit 1;
  if v_problem is null then
    select format('flow "%s": forbidden_input names "%s", which is neither "run" nor a step',
        _check_flow_conditions.definition ->> 'flow_slug', k.key)
      into v_problem
    from jsonb_object_keys(_check_flow_conditions.definition -> 'options' -> 'forbidden_input') k (key)
    where k.key <> 'run' and not exists (
      select from jsonb_array_elements(_check_flow_conditions.definition -> 'steps') s where s.value ->> 'step_slug' = k.key)
    limit 1;
  end if;
  if v_problem is not null then
    raise exception '%', v_problem using errcode = 'PF001', hint = 'Give the condition to the steps that it is for.';
  end if;
end
$$;

comment on function pgflow._check_flow_conditions(jsonb) is 'PF001 if a condition given for all steps names what they do not receive.';
