create function pgflow._check_options(place text, options jsonb) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_key text;
  v_value jsonb;
  v_problem text;
begin
  if jsonb_typeof(_check_options.options) <> 'object' then
    raise exception '%: "options" must be an object, not %', _check_options.place, jsonb_typeof(_check_options.options)
      using errcode = 'PF001';
  end if;
  for v_key, v_value in select o.key, o.value from jsonb_each(_check_options.options) o loop
    -- Durations are at most ten years (315,360,000 s), so that adding one to a timestamp cannot overflow.
    v_problem := case
      when v_key in ('max_attempts') then pgflow._number_problem(v_value, 1, 1000000, true)
      when v_key in ('max_failures') then pgflow._number_problem(v_value, 0, 1000000000, true)
      when v_key in ('priority') then pgflow._number_problem(v_value, -100, 100, true)
      when v_key in ('base_delay', 'max_delay', 'start_delay') then pgflow._number_problem(v_value, 0, 315360000, false)
      when v_key in ('timeout', 'launch_timeout') then pgflow._number_problem(v_value, 0.000001, 315360000, false)
      when v_key = 'heartbeat_timeout' then
        case when v_value <> 'null' then pgflow._number_problem(v_value, 0.000001, 315360000, false) end
      when v_key = 'jitter' then pgflow._number_problem(v_value, 0, 100, false)
      when v_key = 'backoff' then
        case when v_value not in ('"exponential"', '"fixed"') then 'must be "exponential" or "fixed"' end
      when v_key in ('when_exhausted', 'when_unmet') then
        case when v_value not in ('"fail"', '"skip"', '"skip_cascade"') then 'must be "fail", "skip" or "skip_cascade"' end
      when v_key in ('required_input', 'forbidden_input') then
        case when jsonb_typeof(v_value) <> 'object' then 'must be an object' end
      else 'is not an option'
    end;
    if v_problem is not null then
      raise exception '%: option "%" %', _check_options.place, v_key, v_problem
        using errcode = 'PF001', detail = format('got %s', v_value);
    end if;
  end loop;
end
$$;

comment on function pgflow._check_options(text, jsonb) is 'PF001 naming the place and the key if an option is unknown or out of range.';
