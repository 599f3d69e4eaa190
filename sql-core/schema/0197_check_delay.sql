create function pgflow._check_delay(argument text, seconds double precision) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Ten years, as in definitions; NaN and infinity are outside too.
  if not coalesce(_check_delay.seconds between 0 and 315360000, false) then
    raise exception '% must be between 0 and 315360000, not %', _check_delay.argument, coalesce(_check_delay.seconds::text, 'null')
      using errcode = 'PF008';
  end if;
end
$$;

comment on function pgflow._check_delay(text, double precision) is 'PF008 naming the argument if it is no delay.';
