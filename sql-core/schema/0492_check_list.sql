create function pgflow._check_list(status text, tags jsonb, "limit" int, max_scanned int) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if _check_list.status not in ('running', 'completed', 'failed', 'cancelled') then
    raise exception 'status must be running, completed, failed or cancelled, not %', _check_list.status using errcode = 'PF008';
  end if;
  if jsonb_typeof(_check_list.tags) <> 'object' then
    raise exception 'tags must be an object, not of type %', jsonb_typeof(_check_list.tags) using errcode = 'PF008';
  end if;
  if _check_list."limit" is null or _check_list."limit" < 1 or _check_list.max_scanned is null or _check_list.max_scanned < 1 then
    raise exception 'limit and max_scanned must be at least 1' using errcode = 'PF008';
  end if;
end
$$;

comment on function pgflow._check_list(text, jsonb, int, int) is 'Refuse what list_runs cannot take, with PF008.';
