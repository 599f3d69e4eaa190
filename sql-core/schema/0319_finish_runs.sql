create function pgflow._finish_runs(run_ids uuid[], step_ids int[], counted int[], now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_ended uuid[];
  v_empty uuid[];
begin
  with ended as (
    select u.run_id, count(*)::int as steps from unnest(_finish_runs.run_ids, _finish_runs.step_ids) u (run_id, step_id)
    where u.step_id = any (_finish_runs.counted) group by 1 order by 1
  ), counted as (
    update pgflow.runs r
    set remaining_steps = r.remaining_steps - e.steps,
      finished_at = case when r.remaining_steps = e.steps then _finish_runs.now end,
      status = case when r.remaining_steps = e.steps then 'completed' else r.status end,
      output = case when r.remaining_steps = e.steps then coalesce((
        select case when count(*) = 1 then jsonb_build_object((array_agg(o.step_slug))[1], (array_agg(o.output))[1])
          else pgflow._object(array_agg(o.step_slug), array_agg(o.output)) end
        from (
          select s.step_slug,
            case when s.step_type = 'map' and t.output is null then pgflow._map_output(t.run_id, t.step_slug) else t.output end as output
          from pgflow.steps s join pgflow.run_steps t on t.run_id = r.run_id and t.step_slug = s.step_slug
          where s.flow_slug = r.flow_slug and s.flow_version = r.flow_version and s.is_output and s.output_fits and t.status = 'completed') o),
        'null') end
    from ended e
    -- No mergejoin could use this, so the index has no other use than this probe, however small the table is believed to be.
    where r.run_id = any (array[e.run_id]) and r.status = 'running'
    returning r.run_id, r.status, r.output
  )
  select array_agg(c.run_id) filter (where c.status = 'completed'), array_agg(c.run_id) filter (where c.output = 'null')
    into v_ended, v_empty
  from counted c;
  if v_ended is not null then
    delete from pgflow.paused_runs p where p.run_id = any (v_ended);
    perform pgflow._notify_ended(v_ended);
    if v_empty is not null then
      perform pgflow._set_wide_outputs(v_empty);
    end if;
  end if;
end
$$;

comment on function pgflow._finish_runs(uuid[], int[], int[], timestamptz) is
  'Count those of the ended steps that are counted off their runs and complete the runs that have none left.';
