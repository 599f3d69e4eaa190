create function pgflow._check_slug(kind text, slug jsonb) returns text
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_slug text := _check_slug.slug #>> '{}';
begin
  if jsonb_typeof(_check_slug.slug) is distinct from 'string'
     or v_slug !~ '^[a-zA-Z_][a-zA-Z0-9_]*$' or length(v_slug) > 128 or v_slug in ('run', 'item') then
    raise exception '% % is not a slug', _check_slug.kind, coalesce(_check_slug.slug::text, 'null')
      using errcode = 'PF001',
        hint = 'Use letters, digits and _, not starting with a digit, at most 128 characters; "run" and "item" are reserved.';
  end if;
  return v_slug;
end
$$;

comment on function pgflow._check_slug(text, jsonb) is 'The slug as text; PF001 if it is not one.';
