create function pgflow._set_wide_outputs(run_ids uuid[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- As in _finish_runs, which leaves out the outputs of flows that have so many that they may not fit into one object.
  with outputs as (
    select r.run_id, t.step_slug,
      case when s.step_type = 'map' and t.output is null then pgflow._map_output(t.run_id, t.step_slug) else t.output end as output
    from pgflow.runs r
      join pgflow.steps s on s.flow_slug = r.flow_slug and s.flow_version = r.flow_version and s.is_output and not s.output_fits
      cross join lateral (
        select x.* from pgflow.run_steps x
        where x.run_id = r.run_id and x.step_slug = s.step_slug and x.status = 'completed' offset 0) t
    where r.run_id = any (_set_wide_outputs.run_ids)
  ), sized as (
    select o.*, (sum(pgflow._size(o.output)) over (partition by o.run_id))::bigint as bytes from outputs o
  ), joined as (
    select z.run_id, z.bytes, z.bytes <= pgflow._limit('run_output') as fits,
      pgflow._object(array_agg(z.step_slug) filter (where z.bytes <= pgflow._limit('run_output')),
        array_agg(z.output) filter (where z.bytes <= pgflow._limit('run_output'))) as output
    from sized z group by 1, 2
  )
  update pgflow.runs r
  set status = case when j.fits then 'completed' else 'failed' end, output = j.output,
    error = case when not j.fits then jsonb_build_object('code', 'OUTPUT_TOO_LARGE',
      'message', pgflow._too_large('the output of the run', j.bytes, pgflow._limit('run_output'))) end
  from joined j where r.run_id = any (array[j.run_id]);
end
$$;

comment on function pgflow._set_wide_outputs(uuid[]) is
  'The outputs of runs whose flow has many: put together if they fit, else the run fails.';
