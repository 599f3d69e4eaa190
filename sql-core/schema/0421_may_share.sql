create function pgflow._may_share(reports jsonb) returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  -- A peek without a lock, so only a hint: each slot has more left than this batch takes, and a little to spare.
  return (
    with touched as (
      select r.run_id, r.step_slug, r.task_index % 16 as slot, count(*) as taken
      from jsonb_to_recordset(_may_share.reports) as r (run_id uuid, step_slug text, task_index int)
      group by 1, 2, 3
    )
    select count(*) = count(c.remaining) and bool_and(c.remaining > t.taken + 2)
    from touched t
      left join pgflow.map_counters c on c.run_id = any (array[t.run_id]) and c.step_slug = t.step_slug and c.slot = t.slot
  );
end
$$;

comment on function pgflow._may_share(jsonb) is 'Whether completions of map items are unlikely to empty a counter slot, so that the shared run lock will do.';
