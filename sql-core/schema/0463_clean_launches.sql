create function pgflow._clean_launches(launches jsonb) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_launch jsonb;
  v_clean jsonb[] := '{}';
begin
  for v_launch in select l.value from jsonb_array_elements(_clean_launches.launches) with ordinality l order by l.ordinality loop
    begin
      if (v_launch ->> 'run_id')::uuid is null or (v_launch ->> 'attempt_token')::uuid is null or (v_launch ->> 'task_index')::int is null
        or (v_launch ->> 'step_slug') is null
        or not coalesce(v_launch ->> 'outcome' in ('accepted', 'unknown') or v_launch ->> 'outcome' = 'rejected'
          and v_launch ->> 'kind' in ('throttled', 'transient', 'permanent', 'operator'), false)
        or coalesce((v_launch ->> 'retry_after_seconds')::double precision not between 0 and 315360000, false)
        or coalesce(octet_length(v_launch ->> 'external_id') > pgflow._limit('name'), false)
        or coalesce(pg_column_size(v_launch -> 'handle') > pgflow._limit('handle'), false)
        or coalesce((v_launch ->> 'attempt')::int < 1, false)
      then
        v_launch := '{}';
      end if;
    exception when data_exception then
      v_launch := '{}';
    end;
    v_clean := v_clean || v_launch;
  end loop;
  return to_jsonb(v_clean);
end
$$;

comment on function pgflow._clean_launches(jsonb) is 'The launches with an empty object in the place of each that has a bad shape.';
