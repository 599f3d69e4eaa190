create function pgflow._too_large(what text, size bigint, most bigint, unit text default 'bytes') returns text
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  return format('%s has %s %s, more than the %s allowed: store the data elsewhere and pass a reference (a path, a key)',
    _too_large.what, _too_large.size, _too_large.unit, _too_large.most);
end
$$;

comment on function pgflow._too_large(text, bigint, bigint, text) is 'The message about something too large: its size, the limit and the mend.';
