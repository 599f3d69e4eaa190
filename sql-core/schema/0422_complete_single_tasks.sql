create function pgflow._complete_single_tasks(reports jsonb, now timestamptz,
  out applied bigint[], out ended_runs uuid[], out ended_steps int[], out any_late boolean)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  with reported as materialized (
    select r.run_id, r.step_slug, r.attempt_token, r.output, r.ordinality
    from rows from (jsonb_to_recordset(_complete_single_tasks.reports) as (run_id uuid, step_slug text, task_index int,
        attempt_token uuid, outcome text, output jsonb))
      with ordinality r (run_id, step_slug, task_index, attempt_token, outcome, output, ordinality)
    where r.task_index = 0 and r.outcome = 'complete'
    order by 1, 2
  ), completed as (
    update pgflow.run_steps t
    set status = 'completed', output = coalesce(r.output, 'null'), finished_at = _complete_single_tasks.now
    from reported r
    where t.run_id = any (array[r.run_id]) and t.step_slug = r.step_slug and t.token_hash = pgflow._token_hash(r.attempt_token) and t.status = 'running'
    returning t.run_id, t.step_id, r.ordinality, t.lease_expires_at
  )
  select array_agg(c.ordinality), array_agg(c.run_id), array_agg(c.step_id), bool_or(c.lease_expires_at is null)
    into applied, ended_runs, ended_steps, any_late
  from completed c;
end
$$;

comment on function pgflow._complete_single_tasks(jsonb, timestamptz) is
  'Apply the completions of single tasks whose token is current; any_late tells whether one had been declared lost.';
