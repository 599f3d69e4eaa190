create function pgflow.release_step_tasks(tasks jsonb, delay_seconds double precision default 0) returns table (ordinal int, status text)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
set lock_timeout to '125ms'
as $$
declare
  v_reports jsonb;
  v_statuses text[];
begin
  if jsonb_typeof(release_step_tasks.tasks) is distinct from 'array' then
    raise exception 'tasks must be an array of {run_id, step_slug, task_index, attempt_token}' using errcode = 'PF008';
  end if;
  perform pgflow._check_delay('delay_seconds', release_step_tasks.delay_seconds);
  select coalesce(jsonb_agg(case when jsonb_typeof(t.value) = 'object' then
      t.value || jsonb_build_object('outcome', 'release', 'retry_after_seconds', release_step_tasks.delay_seconds) else t.value end
      order by t.ordinality), '[]')
    into v_reports
  from jsonb_array_elements(release_step_tasks.tasks) with ordinality t;
  v_statuses := pgflow._apply_reports(v_reports);
  perform pgflow._notify();
  return query
  select u.ordinality::int, case when u.status = 'released' then 'released' else 'stale' end
  from unnest(v_statuses) with ordinality u (status, ordinality);
end
$$;

comment on function pgflow.release_step_tasks(jsonb, double precision) is
  'Hand attempts back without using up a budget: released, or stale if the attempt is no longer current.';
