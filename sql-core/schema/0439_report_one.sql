create function pgflow._report_one(report jsonb) returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_statuses text[];
begin
  if _report_one.report ->> 'retry_after_seconds' is not null then
    perform pgflow._check_delay('retry_after_seconds', (_report_one.report ->> 'retry_after_seconds')::double precision);
  end if;
  v_statuses := pgflow._apply_reports(jsonb_build_array(_report_one.report));
  if v_statuses[1] = 'unknown' then
    raise exception 'no task % of step "%" in run %', _report_one.report ->> 'task_index', _report_one.report ->> 'step_slug',
        _report_one.report ->> 'run_id'
      using errcode = 'PF003';
  end if;
  perform pgflow._notify();
  return v_statuses[1];
end
$$;

comment on function pgflow._report_one(jsonb) is 'Apply one report; PF003 if there is no such task, PF008 if the delay is out of range.';
