create function pgflow.queue_waits(run_ids uuid[], step_slugs text[], task_indexes int[])
  returns table (ordinal int, wait_seconds double precision)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_seqscan to off
set jit to off
as $$
begin
  return query
  select u.ordinality::int,
    greatest(0, extract(epoch from coalesce(t.task_started_at, pgflow.clock()) - greatest(t.queued_at, t.visible_at)))::double precision
  from unnest(queue_waits.run_ids, queue_waits.step_slugs, queue_waits.task_indexes) with ordinality u (run_id, step_slug, task_index, ordinality)
    cross join lateral (
      select x.* from pgflow._tasks x
      where x.run_id = u.run_id and x.step_slug = u.step_slug and x.task_index = u.task_index offset 0) t
  where t.lease_expires_at is not null or t.task_started_at is not null
  order by u.ordinality;
end
$$;

comment on function pgflow.queue_waits(uuid[], text[], int[]) is
  'For how many seconds each of these tasks was ready before its latest attempt was claimed or started; nothing for one that waits.';
