create function pgflow._complete_single_tasks(reports jsonb, run_ids uuid[], step_slugs text[], task_indexes int[], tokens uuid[],
  now timestamptz, out applied bigint[], out ended_runs uuid[], out ended_steps int[], out any_late boolean)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  with completed as (
    update pgflow.run_steps t
    set status = 'completed', output = coalesce(r.output, 'null'), finished_at = _complete_single_tasks.now
    from (
      select u.run_id, u.step_slug, u.token, u.output, u.ordinality
      from rows from (
          unnest(_complete_single_tasks.run_ids, _complete_single_tasks.step_slugs, _complete_single_tasks.task_indexes,
            _complete_single_tasks.tokens),
          jsonb_to_recordset(_complete_single_tasks.reports) as (output jsonb))
        with ordinality u (run_id, step_slug, task_index, token, output, ordinality)
      where u.task_index = 0
      order by 1, 2) r
    where t.run_id = any (array[r.run_id]) and t.step_slug = r.step_slug and t.token_hash = pgflow._token_hash(r.token) and t.status = 'running'
    returning t.run_id, t.step_id, r.ordinality, t.lease_expires_at
  )
  select array_agg(c.ordinality), array_agg(c.run_id), array_agg(c.step_id), bool_or(c.lease_expires_at is null)
    into applied, ended_runs, ended_steps, any_late
  from completed c;
end
$$;

comment on function pgflow._complete_single_tasks(jsonb, uuid[], text[], int[], uuid[], timestamptz) is
  'Apply the completions of single tasks whose token is current; any_late tells whether one had been declared lost.';
