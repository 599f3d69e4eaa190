create function pgflow._may_share(run_ids uuid[], step_slugs text[], task_indexes int[]) returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  -- A peek without a lock, so only a hint: each slot has more left than this batch takes, and a little to spare.
  return (
    with touched as (
      select r.run_id, r.step_slug, r.task_index % 16 as slot, count(*) as taken
      from unnest(_may_share.run_ids, _may_share.step_slugs, _may_share.task_indexes) r (run_id, step_slug, task_index)
      group by 1, 2, 3
    )
    select count(*) = count(c.remaining) and bool_and(c.remaining > t.taken + 2)
    from touched t
      left join pgflow.map_counters c on c.run_id = any (array[t.run_id]) and c.step_slug = t.step_slug and c.slot = t.slot
  );
end
$$;

comment on function pgflow._may_share(uuid[], text[], int[]) is 'Whether completions of map items are unlikely to empty a counter slot, so that the shared run lock will do.';
