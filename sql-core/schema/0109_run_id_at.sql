-- Without a pinned search_path, so that the planner inlines it (and stable, as extract is: else it would not).
-- A body of this form has its names bound once, when it is created.
create function pgflow._run_id_at(moment timestamptz) returns uuid
language sql stable
return (
  lpad(to_hex((extract(epoch from least(greatest(_run_id_at.moment, 'epoch'), '9999-12-31 00:00:00+00')) * 1000)::bigint), 12, '0')
    || repeat('0', 20))::uuid;

comment on function pgflow._run_id_at(timestamptz) is 'The least version 7 run id of a moment; of null, the least of all.';
