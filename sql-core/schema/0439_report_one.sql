create function pgflow._report_one(report jsonb) returns text
language plpgsql volatile
set search_path to ''
as $$
declare
  v_statuses text[];
begin
  v_statuses := pgflow._apply_reports(jsonb_build_array(_report_one.report));
  if v_statuses[1] = 'unknown' then
    raise exception 'no task % of step "%" in run %', _report_one.report ->> 'task_index', _report_one.report ->> 'step_slug', _report_one.report ->> 'run_id'
      using errcode = 'PF003';
  elsif v_statuses[1] = 'invalid' then
    raise exception 'run_id, step_slug, task_index and attempt_token must be given' using errcode = 'PF008';
  end if;
  perform pgflow._notify_ready();
  return v_statuses[1];
end
$$;

comment on function pgflow._report_one(jsonb) is 'Apply one report; PF003 if there is no such task, PF008 if it is incomplete.';
