create function pgflow._check_name(argument text, name text) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if octet_length(_check_name.name) > pgflow._limit('name') then
    raise exception '% has % bytes, more than the % allowed', _check_name.argument, octet_length(_check_name.name), pgflow._limit('name')
      using errcode = 'PF007', hint = 'Give a shorter one.';
  end if;
end
$$;

comment on function pgflow._check_name(text, text) is 'PF007 naming the argument if a name is too long.';
