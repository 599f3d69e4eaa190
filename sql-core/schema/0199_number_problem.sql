create function pgflow._number_problem(value jsonb, low numeric, high numeric, whole boolean) returns text
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if jsonb_typeof(_number_problem.value) <> 'number' then
    return 'must be a number';
  end if;
  if _number_problem.value::numeric not between _number_problem.low and _number_problem.high then
    return format('must be between %s and %s', _number_problem.low, _number_problem.high);
  end if;
  if _number_problem.whole and _number_problem.value::text !~ '^-?[0-9]+$' then
    return 'must be a whole number';
  end if;
  return null;
end
$$;

comment on function pgflow._number_problem(jsonb, numeric, numeric, boolean) is 'What is wrong with a number, or null.';
