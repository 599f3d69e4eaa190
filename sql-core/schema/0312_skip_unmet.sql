create function pgflow._skip_unmet(run_ids uuid[], step_ids int[], now timestamptz,
  out unmet_runs uuid[], out unmet_steps int[], out unmet_policies text[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- offset 0 and `= any`: always a probe of the whole key, whatever the statistics.
  with waiting as (
    select u.run_id, s.step_id, s.step_slug, s.when_unmet, s.required_input, s.forbidden_input,
      jsonb_build_object('run', r.input) || coalesce((
        select pgflow._object(array_agg(d.dep_slug), array_agg(t.output))
        from pgflow.deps d
          cross join lateral (
            select x.output from pgflow.run_steps x
            where x.run_id = u.run_id and x.step_slug = d.dep_slug and x.status = 'completed' and x.output is not null offset 0) t
        where d.step_id = s.step_id), '{}') as available
    from unnest(_skip_unmet.run_ids, _skip_unmet.step_ids) u (run_id, step_id)
      cross join lateral (
        select x.step_id, x.step_slug, x.when_unmet, x.required_input, x.forbidden_input
        from pgflow.steps x
        where x.step_id = u.step_id and (x.required_input is not null or x.forbidden_input is not null) offset 0) s
      cross join lateral (select x.input from pgflow.runs x where x.run_id = u.run_id offset 0) r
      cross join lateral (select x.status from pgflow.run_steps x where x.run_id = u.run_id and x.step_slug = s.step_slug offset 0) o
    where o.status = 'pending'
  ), unmet as materialized (
    select w.run_id, w.step_id, w.step_slug, w.when_unmet
    from waiting w
    where not (w.available @> coalesce(w.required_input, '{}'))
      or coalesce(w.available @> w.forbidden_input, false)
  ), marked as (
    update pgflow.run_steps t
    set status = case when u.when_unmet = 'fail' then 'failed' else 'skipped' end,
      skip_reason = case when u.when_unmet <> 'fail' then 'condition_unmet' end, finished_at = _skip_unmet.now,
      error = case when u.when_unmet = 'fail' then
        jsonb_build_object('code', 'CONDITION_UNMET', 'message', format('the condition of step "%s" is not met', u.step_slug), 'step_slug', u.step_slug) end
    from unmet u where t.run_id = any (array[u.run_id]) and t.step_slug = u.step_slug
    returning t.run_id, t.step_id, u.when_unmet
  )
  select array_agg(m.run_id), array_agg(m.step_id), array_agg(m.when_unmet)
    into _skip_unmet.unmet_runs, _skip_unmet.unmet_steps, _skip_unmet.unmet_policies
  from marked m;
end
$$;

comment on function pgflow._skip_unmet(uuid[], int[], timestamptz) is
  'Of steps about to start, end those whose condition is not met; returns them with their when_unmet.';
