create function pgflow.report_step_tasks(reports jsonb) returns table (ordinal int, status text)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
-- Short, so that one open transaction delays only its own run: the client halves the batch on 55P03, seven times at most.
set lock_timeout to '125ms'
as $$
declare
  v_statuses text[];
begin
  v_statuses := pgflow._apply_reports(report_step_tasks.reports);
  perform pgflow._notify();
  return query select u.ordinality::int, u.status from unnest(v_statuses) with ordinality u (status, ordinality);
end
$$;

comment on function pgflow.report_step_tasks(jsonb) is
  'Report up to 500 attempts in one transaction; answers in order: completed, retrying, failed, released, duplicate, stale, unknown, invalid.';
