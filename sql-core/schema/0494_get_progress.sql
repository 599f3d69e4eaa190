-- What changes while a run runs, and nothing that is large: no input, no output, no traceback; items are counted by their counters.
create function pgflow.get_progress(run_id uuid) returns jsonb
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_progress jsonb;
begin
  perform pgflow._check_run(get_progress.run_id, '{pgflow_owner,pgflow_dispatcher,pgflow_viewer}');
  select jsonb_build_object('run_id', r.run_id, 'status', r.status,
      'paused_at', (select p.paused_at from pgflow.paused_runs p where p.run_id = r.run_id),
      'steps', (
        select jsonb_agg(
          jsonb_build_object('step_slug', t.step_slug, 'step_type', s.step_type, 'status', t.status, 'skip_reason', t.skip_reason,
            'task_count', n.tasks, 'tasks_ended', n.tasks - n.remaining, 'attempts', coalesce(a.attempts, 0),
            'error', case when t.status in ('failed', 'skipped') then t.error - 'traceback' end,
            'progress', (
              select p.progress from pgflow.task_progress p
              where p.run_id = t.run_id and p.step_slug = t.step_slug and p.task_index = 0 and p.attempt = t.attempt
                and s.step_type = 'single' and t.status = 'running' and t.lease_expires_at is not null),
            'is_in_hand', t.status = 'running' and t.lease_expires_at is not null,
            'started_at', t.started_at, 'finished_at', t.finished_at)
          order by s.step_index)
        from pgflow.run_steps t
          join pgflow.steps s on s.step_id = t.step_id
          left join (
            select x.step_slug, count(*) as attempts from pgflow.step_task_attempts x where x.run_id = get_progress.run_id group by x.step_slug
          ) a on a.step_slug = t.step_slug
          cross join lateral (
            select case when s.step_type = 'single' then 1 else t.task_count end as tasks,
              case when t.status not in ('pending', 'running') then 0
                when s.step_type = 'single' then 1
                else (select coalesce(sum(c.remaining), 0) from pgflow.map_counters c where c.run_id = t.run_id and c.step_slug = t.step_slug)
              end as remaining
          ) n
        where t.run_id = r.run_id))
    into v_progress
  from pgflow.runs r where r.run_id = get_progress.run_id;
  return v_progress;
end
$$;

comment on function pgflow.get_progress(uuid) is
  'How far a run and each of its steps are: for those who look again and again. PF003 if there is no such run, PF006 if it is not yours.';
