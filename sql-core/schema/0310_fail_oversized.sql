create function pgflow._fail_oversized(run_ids uuid[], step_ids int[], now timestamptz) returns uuid[]
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_failed uuid[];
begin
  -- At the start of the step, so that no claim ever meets an input that cannot be built. Most steps have so few inputs that they
  -- fit whatever their sizes (input_fits): of those nothing is read.
  -- offset 0 and `= any`: always a probe of the whole key, whatever the statistics.
  with sized as materialized (
    select u.run_id, s.step_slug,
      case when s.needs_run_input or s.has_condition then pgflow._size(r.input) else 0 end + coalesce((
        select sum(pgflow._size(t.output))
        from pgflow.deps d
          cross join lateral (
            select x.output from pgflow.run_steps x
            where x.run_id = u.run_id and x.step_slug = d.dep_slug and x.status = 'completed' offset 0) t
        where d.step_id = s.step_id and (d.is_input or s.has_condition)), 0) as bytes
    from unnest(_fail_oversized.run_ids, _fail_oversized.step_ids) u (run_id, step_id)
      cross join lateral (
        select x.step_id, x.step_slug, x.needs_run_input, x.required_input is not null or x.forbidden_input is not null as has_condition
        from pgflow.steps x where x.step_id = u.step_id and not x.input_fits offset 0) s
      cross join lateral (select x.input from pgflow.runs x where x.run_id = u.run_id offset 0) r
  ), failed as (
    update pgflow.run_steps t
    set status = 'failed', finished_at = _fail_oversized.now,
      error = jsonb_build_object('code', 'INPUT_TOO_LARGE', 'step_slug', z.step_slug,
        'message', pgflow._too_large(format('the input of step "%s"', z.step_slug), z.bytes::bigint, pgflow._limit('task_input')))
    from sized z
    where z.bytes > pgflow._limit('task_input') and t.run_id = any (array[z.run_id]) and t.step_slug = z.step_slug
      and t.status = 'pending'
    returning t.run_id
  )
  select array_agg(f.run_id) into v_failed from failed f;
  return v_failed;
end
$$;

comment on function pgflow._fail_oversized(uuid[], int[], timestamptz) is
  'Of steps about to start, fail those whose input would be too large; returns their runs.';
