create function pgflow._complete_map_tasks(reports jsonb, run_ids uuid[], step_slugs text[], task_indexes int[], tokens uuid[],
  shared boolean, now timestamptz, out applied bigint[], out ended_runs uuid[], out ended_steps int[], out any_late boolean)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_emptied uuid[];
  v_slugs text[];
begin
  with reported as materialized (
    select u.run_id, u.step_slug, u.task_index, u.token, u.output, u.ordinality
    from rows from (
        unnest(_complete_map_tasks.run_ids, _complete_map_tasks.step_slugs, _complete_map_tasks.task_indexes, _complete_map_tasks.tokens),
        jsonb_to_recordset(_complete_map_tasks.reports) as (output jsonb))
      with ordinality u (run_id, step_slug, task_index, token, output, ordinality)
    where u.token is not null
    order by 1, 2, 3
  ), completed as (
    update pgflow.map_tasks t
    set end_status = 'completed', output = coalesce(r.output, 'null'), finished_at = _complete_map_tasks.now
    from reported r
    where t.run_id = any (array[r.run_id]) and t.step_slug = r.step_slug and t.task_index = r.task_index
      and t.token_hash = pgflow._token_hash(r.token) and t.end_status is null
    returning t.run_id, t.step_slug, t.task_index, r.ordinality, t.lease_expires_at
  ), taken as (
    select c.run_id, c.step_slug, c.task_index % 16 as slot, count(*)::int as items from completed c group by 1, 2, 3 order by 1, 2, 3
  ), counted as (
    update pgflow.map_counters m
    set remaining = m.remaining - t.items
    from taken t where m.run_id = any (array[t.run_id]) and m.step_slug = t.step_slug and m.slot = t.slot
    returning m.run_id, m.step_slug, m.remaining
  )
  select (select array_agg(c.ordinality) from completed c),
    (select bool_or(c.lease_expires_at is null) from completed c),
    array_agg(d.run_id) filter (where d.remaining = 0), array_agg(d.step_slug) filter (where d.remaining = 0)
    into applied, any_late, v_emptied, v_slugs
  from counted d;
  if v_emptied is not null then
    if _complete_map_tasks.shared then
      raise exception 'a counter slot ran empty under the shared run lock' using errcode = 'PF999';
    end if;
    select e.ended_runs, e.ended_steps into ended_runs, ended_steps
    from pgflow._complete_map_steps(v_emptied, v_slugs, _complete_map_tasks.now) e;
  end if;
end
$$;

comment on function pgflow._complete_map_tasks(jsonb, uuid[], text[], int[], uuid[], boolean, timestamptz) is
  'Apply the completions of map items whose token is current and end the map steps that they complete. Raises PF999 if that would need the exclusive run lock.';
