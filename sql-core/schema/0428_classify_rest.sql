create function pgflow._classify_rest(reports jsonb, applied bigint[], statuses text[]) returns text[]
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_statuses text[] := _classify_rest.statuses;
  v_report record;
begin
  for v_report in
    select r.*
    from rows from (jsonb_to_recordset(_classify_rest.reports) as (run_id uuid, step_slug text, task_index int, attempt_token uuid, outcome text))
      with ordinality r (run_id, step_slug, task_index, attempt_token, outcome, ordinality)
    where r.ordinality <> all (coalesce(_classify_rest.applied, '{}'))
  loop
    v_statuses[v_report.ordinality] := case
      when jsonb_typeof(_classify_rest.reports -> (v_report.ordinality - 1)::int -> 'step_slug') <> 'string' then 'invalid'
      else pgflow._classify(v_report.run_id, v_report.step_slug, v_report.task_index, v_report.attempt_token, v_report.outcome)
    end;
  end loop;
  return v_statuses;
end
$$;

comment on function pgflow._classify_rest(jsonb, bigint[], text[]) is 'The statuses with those of the reports that were not applied filled in.';
