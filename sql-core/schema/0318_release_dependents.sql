create function pgflow._release_dependents(run_ids uuid[], step_ids int[], cascades boolean[], now timestamptz,
  out cascaded_runs uuid[], out cascaded_steps int[], out waiting_runs uuid[], out waiting_steps int[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_xid bigint := pg_current_xact_id()::text::bigint;
  v_started uuid[];
  v_ready bigint;
begin
  with children as materialized (
    select e.run_id, d.step_id, d.step_slug, d.is_plain, count(*)::int as ended, bool_or(e.cascade) as cascade
    from unnest(_release_dependents.run_ids, _release_dependents.step_ids, _release_dependents.cascades) e (run_id, dep_id, cascade)
      -- offset 0 here and below: always a probe of the whole key, whatever the statistics.
      cross join lateral (select x.step_id, x.step_slug, x.is_plain from pgflow.deps x where x.dep_id = e.dep_id offset 0) d
    group by 1, 2, 3, 4 order by 1, 3
  ), found as (
    -- Pending rows change under the run lock only, so their place holds.
    select c.*, x.place
    from children c
      cross join lateral (
        select t.ctid as place from pgflow.run_steps t
        where t.run_id = c.run_id and t.step_slug = c.step_slug and t.status = 'pending' offset 0) x
  ), moved as (
    update pgflow.run_steps t
    set remaining_deps = t.remaining_deps - c.ended,
      started_at = case when not c.cascade and t.remaining_deps = c.ended and c.is_plain then _release_dependents.now end,
      finished_at = case when c.cascade then _release_dependents.now end,
      skip_reason = case when c.cascade then 'dependency_skipped' end,
      status = case when c.cascade then 'skipped' when t.remaining_deps = c.ended and c.is_plain then 'running' else 'pending' end
    from found c where t.ctid = c.place
    returning t.run_id, t.step_id, t.queue_id, t.remaining_deps, t.status
  ), queued as (
    insert into pgflow.ready_tasks (xid, run_id, queue_id, step_id, task_index)
    select v_xid, m.run_id, m.queue_id, m.step_id, -1 from moved m where m.status = 'running'
    returning 1
  )
  select array_agg(m.run_id) filter (where m.status = 'skipped'), array_agg(m.step_id) filter (where m.status = 'skipped'),
    array_agg(m.run_id) filter (where m.status = 'pending' and m.remaining_deps = 0),
    array_agg(m.step_id) filter (where m.status = 'pending' and m.remaining_deps = 0),
    array_agg(m.run_id) filter (where m.status = 'running'), (select count(*) from queued)
    into cascaded_runs, cascaded_steps, waiting_runs, waiting_steps, v_started, v_ready
  from moved m;
  if v_ready > 0 and exists (select from pgflow.paused_runs) then
    perform pgflow._park_paused(v_started, true);
  end if;
end
$$;

comment on function pgflow._release_dependents(uuid[], int[], boolean[], timestamptz) is
  'Count ended steps off their dependents: plain ones start, those of a cascade are skipped; returned are the skipped and those that need a closer look to start.';
