create function pgflow._advance(run_ids uuid[], step_ids int[], cascades boolean[], now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_runs uuid[] := _advance.run_ids;
  v_steps int[] := _advance.step_ids;
  v_cascades boolean[] := _advance.cascades;
  v_all uuid[] := '{}';
  v_failed uuid[];
  v_next record;
  v_started record;
begin
  -- Needs the exclusive run locks, and to be called in a statement begun after they were taken and the steps ended.
  -- Each round follows the edges out of the steps that just ended, once: no edge is walked twice.
  loop
    v_all := v_all || v_runs;
    -- No index has dep_slug: the one that cannot be probed for dep_id is not walked in its stead.
    exit when (select d.dep_slug from pgflow.deps d where d.dep_id = any (v_steps) limit 1) is null;
    v_next := pgflow._release_dependents(v_runs, v_steps, v_cascades, _advance.now);
    v_runs := v_next.cascaded_runs;
    v_steps := v_next.cascaded_steps;
    v_cascades := array_fill(true, array[coalesce(cardinality(v_steps), 0)]);
    if v_next.waiting_runs is not null then
      v_started := pgflow._start_steps(v_next.waiting_runs, v_next.waiting_steps, null, _advance.now);
      v_runs := v_runs || v_started.ended_runs;
      v_steps := v_steps || v_started.ended_steps;
      v_cascades := v_cascades || v_started.ended_cascades;
      v_failed := v_failed || v_started.failed_runs;
    end if;
    exit when v_steps is null;
  end loop;
  perform pgflow._finish_runs(v_all, _advance.now);
  if v_failed is not null then
    perform pgflow._carry_on(null, null, null, v_failed, _advance.now);
  end if;
end
$$;

comment on function pgflow._advance(uuid[], int[], boolean[], timestamptz) is
  'Carry on from steps that ended: start, skip or complete what depends on them until nothing changes, then end the runs that are done. A true in cascades skips the dependents.';
