create function pgflow._clean_observations(observations jsonb) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_seen jsonb;
  v_clean jsonb[] := '{}';
begin
  for v_seen in select o.value from jsonb_array_elements(_clean_observations.observations) with ordinality o order by o.ordinality loop
    begin
      if (v_seen ->> 'run_id')::uuid is null or (v_seen ->> 'step_slug') is null or (v_seen ->> 'task_index')::int is null
        or (v_seen ->> 'attempt')::int is null
        or not coalesce(v_seen ->> 'phase' in ('pending', 'running', 'exited_ok', 'exited_error', 'not_found', 'unknown'), false)
        or coalesce(jsonb_typeof(v_seen -> 'started') not in ('boolean', 'null'), false)
        or coalesce(jsonb_typeof(v_seen -> 'retryable') not in ('boolean', 'null'), false)
      then
        v_seen := '{}';
      end if;
    exception when data_exception then
      v_seen := '{}';
    end;
    v_clean := v_clean || v_seen;
  end loop;
  return to_jsonb(v_clean);
end
$$;

comment on function pgflow._clean_observations(jsonb) is 'The observations with an empty object in the place of each that has a bad shape.';
