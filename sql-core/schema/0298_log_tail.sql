create function pgflow._log_tail(log_tail text) returns text
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  return case when length(_log_tail.log_tail) <= pgflow._limit('log_tail') then _log_tail.log_tail
    else format('[cut, of %s characters]%s%s', length(_log_tail.log_tail), chr(10),
      right(_log_tail.log_tail, pgflow._limit('log_tail')::int)) end;
end
$$;

comment on function pgflow._log_tail(text) is 'The end of what an attempt wrote, as much as is kept.';
