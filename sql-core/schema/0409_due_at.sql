create function pgflow._due_at(now timestamptz, delay double precision) returns timestamptz
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Ten years (315,360,000 s) is the longest delay of a definition too.
  return _due_at.now + make_interval(secs => least(_due_at.delay, 315360000));
end
$$;

comment on function pgflow._due_at(timestamptz, double precision) is 'When a delay of so many seconds ends.';
