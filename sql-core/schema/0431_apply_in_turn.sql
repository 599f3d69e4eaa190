create function pgflow._apply_in_turn(reports jsonb, run_ids uuid[]) returns text[]
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_report jsonb;
  v_statuses text[] := '{}';
begin
  -- All run locks first: one report at a time would take them out of order.
  perform pgflow_locks.lock_runs(_apply_in_turn.run_ids);
  for v_report in select r.value from jsonb_array_elements(_apply_in_turn.reports) with ordinality r order by r.ordinality loop
    v_statuses := v_statuses || pgflow._apply_reports(jsonb_build_array(v_report));
  end loop;
  return v_statuses;
end
$$;

comment on function pgflow._apply_in_turn(jsonb, uuid[]) is 'Apply reports one after the other: for batches that say several things of one task.';
