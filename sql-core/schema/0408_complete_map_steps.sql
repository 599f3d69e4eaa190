create function pgflow._complete_map_steps(run_ids uuid[], step_slugs text[], now timestamptz, out ended_runs uuid[], out ended_steps int[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    -- An older snapshot does not see what others took off: locking what they changed raises 40001 instead.
    perform from pgflow.map_counters c, unnest(_complete_map_steps.run_ids, _complete_map_steps.step_slugs) u (run_id, step_slug)
    where c.run_id = u.run_id and c.step_slug = u.step_slug
    for update of c;
  end if;
  -- Under the exclusive run lock and in a statement begun after the counters moved: whoever emptied another slot has committed.
  with empty as (
    select distinct u.run_id, u.step_slug from unnest(_complete_map_steps.run_ids, _complete_map_steps.step_slugs) u (run_id, step_slug)
    where not exists (
      select from pgflow.map_counters c where c.run_id = u.run_id and c.step_slug = u.step_slug and c.remaining > 0)
    order by 1, 2
  ), completed as (
    update pgflow.run_steps t
    set status = 'completed', finished_at = _complete_map_steps.now,
      output = case when s.needs_array then pgflow._map_output(t.run_id, t.step_slug) end
    from empty e, pgflow.steps s
    where t.run_id = e.run_id and t.step_slug = e.step_slug and s.step_id = t.step_id and t.status = 'running'
    returning t.run_id, t.step_id
  )
  select array_agg(c.run_id), array_agg(c.step_id) into ended_runs, ended_steps from completed c;
end
$$;

comment on function pgflow._complete_map_steps(uuid[], text[], timestamptz) is 'Complete those of these map steps that have no live item left.';
