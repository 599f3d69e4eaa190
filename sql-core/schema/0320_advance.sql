create function pgflow._advance(run_ids uuid[], step_ids int[], cascades boolean[], now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_runs uuid[] := _advance.run_ids;
  v_steps int[] := _advance.step_ids;
  v_cascades boolean[] := _advance.cascades;
  v_ended_runs uuid[];
  v_ended_steps int[];
  v_counted int[];
  v_any_followed boolean;
  v_failed uuid[];
  v_next record;
  v_started record;
begin
  -- Needs the exclusive run locks, and to be called in a statement begun after they were taken and the steps ended.
  -- Each round follows the edges out of the steps that just ended, once: no edge is walked twice.
  loop
    v_ended_runs := v_ended_runs || v_runs;
    v_ended_steps := v_ended_steps || v_steps;
    select v_counted || array_agg(s.step_id) filter (where s.is_counted), bool_or(not s.is_last) into v_counted, v_any_followed
    from pgflow.steps s where s.step_id = any (v_steps);
    exit when not v_any_followed;
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
  if v_counted is not null then
    perform pgflow._finish_runs(v_ended_runs, v_ended_steps, v_counted, _advance.now);
  end if;
  if v_failed is not null then
    perform pgflow._carry_on(null, null, null, v_failed, _advance.now);
  end if;
end
$$;

comment on function pgflow._advance(uuid[], int[], boolean[], timestamptz) is
  'Carry on from steps that ended: start, skip or complete what depends on them until nothing changes, then end the runs that are done. A true in cascades skips the dependents.';
