create function pgflow._apply_reports(reports jsonb) returns text[]
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_reports jsonb := _apply_reports.reports;
  v_batch record;
  v_shared boolean;
  v_clean boolean := false;
  v_now timestamptz;
  v_single record;
  v_map record;
  v_ends record;
  v_applied bigint[] := '{}';
  v_late boolean := false;
  v_statuses text[];
begin
  if jsonb_typeof(v_reports) is distinct from 'array' then
    raise exception 'reports must be an array, not %', coalesce(jsonb_typeof(v_reports), 'null') using errcode = 'PF008';
  elsif jsonb_array_length(v_reports) > 500 then
    raise exception 'at most 500 reports in one call, not %', jsonb_array_length(v_reports) using errcode = 'PF007';
  elsif pgflow._size(v_reports) > pgflow._limit('task_output') then
    v_reports := pgflow._refuse_outputs(v_reports);
  end if;
  begin
    v_batch := pgflow._survey_reports(v_reports);
    v_clean := not v_batch.has_invalid;
  exception when data_exception then
    null;
  end;
  if not v_clean then
    v_reports := pgflow._clean_reports(v_reports);
    v_batch := pgflow._survey_reports(v_reports);
  end if;
  if v_batch.has_repeats then
    return pgflow._apply_in_turn(v_reports, v_batch.run_ids);
  end if;

  v_shared := v_batch.has_map_items and not v_batch.has_ends and pgflow._may_share(v_batch.run_ids, v_batch.step_slugs, v_batch.task_indexes);
  if v_shared then
    begin
      perform pgflow_locks.lock_runs(v_batch.run_ids, true);
      v_now := pgflow.clock();
      v_map := pgflow._complete_map_tasks(v_reports, v_batch.run_ids, v_batch.step_slugs, v_batch.task_indexes,
        v_batch.tokens, true, v_now);
      v_applied := v_map.applied;
      v_late := v_map.any_late;
    exception when sqlstate 'PF999' then
      -- The subtransaction undid the rows and released the shared locks. Start again: never an upgrade.
      v_shared := false;
    end;
  end if;
  if not v_shared then
    perform pgflow_locks.lock_runs(v_batch.run_ids);
    v_now := pgflow.clock();
    v_single := pgflow._complete_single_tasks(v_reports, v_batch.run_ids, v_batch.step_slugs, v_batch.task_indexes,
      v_batch.tokens, v_now);
    v_applied := v_single.applied;
    v_late := v_single.any_late;
    if coalesce(cardinality(v_applied), 0) < v_batch.completions then
      v_map := pgflow._complete_map_tasks(v_reports, v_batch.run_ids, v_batch.step_slugs, v_batch.task_indexes,
        v_batch.tokens, false, v_now);
      v_applied := v_applied || v_map.applied;
      v_late := coalesce(v_late, false) or coalesce(v_map.any_late, false);
      v_single.ended_runs := v_single.ended_runs || v_map.ended_runs;
      v_single.ended_steps := v_single.ended_steps || v_map.ended_steps;
    end if;
    if v_single.ended_runs is not null then
      perform pgflow._advance(v_single.ended_runs, v_single.ended_steps, array_fill(false, array[cardinality(v_single.ended_runs)]), v_now);
    end if;
  end if;
  if v_late then
    perform pgflow._mark_late(v_reports);
  end if;
  if v_batch.has_logs then
    perform pgflow._keep_logs(v_reports, v_now);
  end if;

  v_statuses := array_fill('completed'::text, array[jsonb_array_length(v_reports)]);
  if v_batch.has_ends then
    v_ends := pgflow._apply_ends(v_reports, v_now);
    for i in 1 .. coalesce(cardinality(v_ends.ordinals), 0) loop
      v_statuses[v_ends.ordinals[i]] := v_ends.statuses[i];
    end loop;
    v_applied := v_applied || v_ends.ordinals;
  end if;
  if coalesce(cardinality(v_applied), 0) < cardinality(v_statuses) then
    v_statuses := pgflow._classify_rest(v_reports, v_applied, v_statuses);
  end if;
  return v_statuses;
end
$$;

comment on function pgflow._apply_reports(jsonb) is
  'Apply a batch of reports in one transaction; what each is answered, in order. One cannot fail another.';
