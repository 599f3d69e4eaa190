create function pgflow._check_age(argument text, age interval) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if not coalesce(_check_age.age between interval '0' and interval '1000 years', false) then
    raise exception '% must be an interval between 0 and 1000 years, not %', _check_age.argument, coalesce(_check_age.age::text, 'null')
      using errcode = 'PF008';
  end if;
end
$$;

comment on function pgflow._check_age(text, interval) is 'PF008 naming the argument if it is no age that a run can have.';
