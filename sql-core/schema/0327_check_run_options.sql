create function pgflow._check_run_options(priority int, tags jsonb, idempotency_keys text[], start_at timestamptz) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if _check_run_options.priority not between -100 and 100 then
    raise exception 'priority must be between -100 and 100, not %', _check_run_options.priority using errcode = 'PF008';
  end if;
  if not isfinite(_check_run_options.start_at) then
    raise exception 'start_at must be a time, not %', _check_run_options.start_at using errcode = 'PF008';
  end if;
  -- All of them together are seldom as long as one may be.
  if octet_length(array_to_string(_check_run_options.idempotency_keys, '')) > pgflow._limit('name') then
    perform pgflow._check_name('idempotency_key', k.key) from unnest(_check_run_options.idempotency_keys) k (key)
    where octet_length(k.key) > pgflow._limit('name');
  end if;
  if jsonb_typeof(_check_run_options.tags) <> 'object' then
    raise exception 'tags must be an object, not %', jsonb_typeof(_check_run_options.tags) using errcode = 'PF008';
  elsif pgflow._size(_check_run_options.tags) > pgflow._limit('tags') then
    raise exception '%', pgflow._too_large('tags', pgflow._size(_check_run_options.tags), pgflow._limit('tags')) using errcode = 'PF007';
  end if;
end
$$;

comment on function pgflow._check_run_options(int, jsonb, text[], timestamptz) is 'PF007 or PF008 naming the argument if runs cannot start with it.';
