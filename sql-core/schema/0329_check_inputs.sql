create function pgflow._check_inputs(flow pgflow.flows, inputs jsonb[]) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_input text;
  v_size bigint;
  v_type text;
begin
  -- The array's own size tells of most calls that none of them is too large.
  if pg_column_size(_check_inputs.inputs) > pgflow._limit('run_input') or pg_column_compression(_check_inputs.inputs) is not null then
    select format('input %s', i.ordinality), pg_column_size(i.input) into v_input, v_size
    from unnest(_check_inputs.inputs) with ordinality i (input, ordinality)
    where pg_column_size(i.input) > pgflow._limit('run_input') order by i.ordinality limit 1;
    if found then
      raise exception '%', pgflow._too_large(v_input, v_size, pgflow._limit('run_input')) using errcode = 'PF007';
    end if;
  end if;
  if flow.map_over_run is not null then
    select coalesce(jsonb_typeof(i.input), 'null') into v_type from unnest(_check_inputs.inputs) i (input)
    where jsonb_typeof(i.input) is distinct from 'array' limit 1;
    if found then
      raise exception 'the input of flow "%" must be an array, not %: step "%" maps over it', flow.flow_slug, v_type, flow.map_over_run
        using errcode = 'PF008';
    end if;
    select format('input %s, which step "%s" maps over,', i.ordinality, flow.map_over_run), jsonb_array_length(i.input) into v_input, v_size
    from unnest(_check_inputs.inputs) with ordinality i (input, ordinality)
    where jsonb_array_length(i.input) > pgflow._limit('map_items') order by i.ordinality limit 1;
    if found then
      raise exception '%', pgflow._too_large(v_input, v_size, pgflow._limit('map_items'), 'items') using errcode = 'PF007';
    end if;
  end if;
end
$$;

comment on function pgflow._check_inputs(pgflow.flows, jsonb[]) is 'PF007 or PF008 naming the input if runs cannot start with these.';
