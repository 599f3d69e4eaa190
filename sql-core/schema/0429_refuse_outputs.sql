create function pgflow._refuse_outputs(reports jsonb) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  return (
    select to_jsonb(array_agg(case when r.value ->> 'outcome' = 'complete' and pg_column_size(r.value -> 'output') > pgflow._limit('task_output')
        then (r.value - 'output') || jsonb_build_object('outcome', 'fail', 'retryable', false, 'error', jsonb_build_object(
          'code', 'OUTPUT_TOO_LARGE',
          'message', pgflow._too_large('the output', pg_column_size(r.value -> 'output'), pgflow._limit('task_output'))))
        else r.value end order by r.ordinality))
    from jsonb_array_elements(_refuse_outputs.reports) with ordinality r);
end
$$;

comment on function pgflow._refuse_outputs(jsonb) is 'The reports with a final failure in the place of each completion whose output is too large.';
