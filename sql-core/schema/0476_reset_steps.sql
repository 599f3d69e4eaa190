create function pgflow._reset_steps(run_id uuid, step_slugs text[], rerun_slugs text[]) returns int[]
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_waiting int[];
begin
  update pgflow.run_steps t
  set status = 'pending', skip_reason = null, started_at = null, finished_at = null, output = null, error = null, failures = 0,
    launch_failures = 0, failed_tasks = null, task_started_at = null, lease_expires_at = null, visible_at = null, token_hash = null,
    instance_id = null,
    -- Kept, it tells _start_map that the map goes on with the items it has.
    task_count = case when t.step_slug = any (_reset_steps.rerun_slugs) then null else t.task_count end,
    remaining_deps = (
      select count(*) from pgflow.deps d join pgflow.run_steps p on p.run_id = t.run_id and p.step_slug = d.dep_slug
      where d.step_id = t.step_id and (p.step_slug = any (_reset_steps.step_slugs) or p.status not in ('completed', 'skipped')))
  where t.run_id = _reset_steps.run_id and t.step_slug = any (_reset_steps.step_slugs);
  delete from pgflow.map_counters c where c.run_id = _reset_steps.run_id and c.step_slug = any (_reset_steps.step_slugs);
  select array_agg(t.step_id) into v_waiting from pgflow.run_steps t
  where t.run_id = _reset_steps.run_id and t.step_slug = any (_reset_steps.step_slugs) and t.status = 'pending' and t.remaining_deps = 0;
  return v_waiting;
end
$$;

comment on function pgflow._reset_steps(uuid, text[], text[]) is
  'Put steps of a run back to pending, budgets at zero; attempt numbers go on. Returns those that can start.';
