create function pgflow._get_step(run_id uuid, step_slug text, with_output boolean) returns jsonb
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object('step_slug', t.step_slug, 'step_index', s.step_index, 'step_type', s.step_type, 'status', t.status,
      'skip_reason', t.skip_reason, 'output', case when _get_step.with_output then t.output end, 'error', t.error, 'task_count', t.task_count, 'started_at', t.started_at,
      'finished_at', t.finished_at,
      'deps', (select coalesce(jsonb_agg(d.dep_slug order by d.dep_id), '[]') from pgflow.deps d where d.step_id = s.step_id),
      'attempts', (select count(*) from pgflow.step_task_attempts a where a.run_id = t.run_id and a.step_slug = t.step_slug),
      'progress', (
        select p.progress
        from pgflow.task_progress p
          join pgflow._tasks k on k.run_id = p.run_id and k.step_slug = p.step_slug and k.task_index = p.task_index and k.attempt = p.attempt
        where p.run_id = t.run_id and p.step_slug = t.step_slug and s.step_type = 'single' and k.status in ('claimed', 'running')),
      'tasks', (
        select jsonb_build_object('queued', count(*) filter (where k.status = 'queued'), 'claimed', count(*) filter (where k.status = 'claimed'),
          'running', count(*) filter (where k.status = 'running'), 'completed', count(*) filter (where k.status = 'completed'),
          'failed', count(*) filter (where k.status = 'failed'), 'cancelled', count(*) filter (where k.status = 'cancelled'))
        from pgflow._tasks k where k.run_id = t.run_id and k.step_slug = t.step_slug))
    from pgflow.step_states t
      join pgflow.run_steps x on x.run_id = t.run_id and x.step_slug = t.step_slug
      join pgflow.steps s on s.step_id = x.step_id
    where t.run_id = _get_step.run_id and t.step_slug = _get_step.step_slug);
end
$$;

comment on function pgflow._get_step(uuid, text, boolean) is 'A step of a run with the counts of its tasks, as get_run shows it.';
