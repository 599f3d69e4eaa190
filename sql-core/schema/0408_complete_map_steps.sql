create function pgflow._complete_map_steps(run_ids uuid[], step_slugs text[], now timestamptz, out ended_runs uuid[], out ended_steps int[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_failed uuid[];
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    -- An older snapshot does not see what others took off: locking what they changed raises 40001 instead.
    perform from pgflow.map_counters c, unnest(_complete_map_steps.run_ids, _complete_map_steps.step_slugs) u (run_id, step_slug)
    where c.run_id = any (array[u.run_id]) and c.step_slug = u.step_slug
    for update of c;
  end if;
  -- Under the exclusive run lock and in a statement begun after the counters moved: whoever emptied another slot has committed.
  with empty as (
    select distinct u.run_id, u.step_slug from unnest(_complete_map_steps.run_ids, _complete_map_steps.step_slugs) u (run_id, step_slug)
    -- Not by an antijoin, nor by equality below: rows are found by their keys whatever the statistics.
    where (
      select true from pgflow.map_counters c
      where c.run_id = u.run_id and c.step_slug = u.step_slug and c.remaining > 0 limit 1) is null
    order by 1, 2
  ), sized as (
    -- Also where nobody needs the array yet: readers and the run output do.
    select e.run_id, e.step_slug, z.bytes, z.bytes <= pgflow._limit('map_output') as fits
    from empty e
      cross join lateral (
        select coalesce(sum(pgflow._size(m.output)), 0)::bigint as bytes
        from pgflow.map_tasks m where m.run_id = e.run_id and m.step_slug = e.step_slug) z
  ), completed as (
    update pgflow.run_steps t
    set status = case when e.fits then 'completed' else 'failed' end, finished_at = _complete_map_steps.now,
      output = case when s.needs_array and e.fits then pgflow._map_output(t.run_id, t.step_slug) end,
      error = case when not e.fits then jsonb_build_object('code', 'OUTPUT_TOO_LARGE', 'step_slug', t.step_slug,
        'message', pgflow._too_large(format('the output of map step "%s"', t.step_slug), e.bytes, pgflow._limit('map_output'))) end
    from sized e, pgflow.steps s
    where t.run_id = any (array[e.run_id]) and t.step_slug = e.step_slug and s.step_id = any (array[t.step_id]) and t.status = 'running'
    returning t.run_id, t.step_id, e.fits
  )
  select array_agg(c.run_id) filter (where c.fits), array_agg(c.step_id) filter (where c.fits), array_agg(c.run_id) filter (where not c.fits)
    into ended_runs, ended_steps, v_failed
  from completed c;
  if v_failed is not null then
    perform pgflow._carry_on(null, null, null, v_failed, _complete_map_steps.now);
  end if;
end
$$;

comment on function pgflow._complete_map_steps(uuid[], text[], timestamptz) is 'Complete those of these map steps that have no live item left; fail those, and their runs, whose output would be too large.';
