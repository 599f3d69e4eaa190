create function pgflow._clean_reports(reports jsonb) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_report jsonb;
  v_clean jsonb[] := '{}';
begin
  for v_report in select r.value from jsonb_array_elements(_clean_reports.reports) with ordinality r order by r.ordinality loop
    begin
      if (v_report ->> 'run_id')::uuid is null or (v_report ->> 'attempt_token')::uuid is null or (v_report ->> 'task_index')::int is null
        or (v_report ->> 'step_slug') is null or coalesce(v_report ->> 'outcome', '') not in ('complete', 'fail', 'release')
        or coalesce((v_report ->> 'retry_after_seconds')::double precision not between 0 and 315360000, false)
        or jsonb_typeof(v_report -> 'retryable') not in ('boolean', 'null')
      then
        v_report := '{}';
      end if;
    exception when data_exception then
      v_report := '{}';
    end;
    v_clean := v_clean || v_report;
  end loop;
  return to_jsonb(v_clean);
end
$$;

comment on function pgflow._clean_reports(jsonb) is 'The reports with an empty object in the place of each that has a bad shape.';
