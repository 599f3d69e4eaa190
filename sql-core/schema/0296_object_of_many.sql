create function pgflow._object_of_many(keys text[], outputs jsonb[]) returns jsonb
language plpgsql immutable strict
set search_path to pg_catalog, pg_temp
as $$
declare
  v_few constant boolean := cardinality(_object_of_many.keys) <= 16;
  v_object jsonb := '{}';
begin
  -- Not jsonb_object_agg for what may be large: of an array of strings it measures, at each string, all that follows
  -- (an output of 20,000 strings of 500 bytes: 6.5 s, and four times that for twice as many). Nor `||` for many: each copies what there is.
  if not v_few then
    select coalesce(jsonb_object_agg(p.key, p.value), '{}') into v_object
    from unnest(_object_of_many.keys, _object_of_many.outputs) p (key, value) where pgflow._size(p.value) < 65536;
  end if;
  for i in 1 .. cardinality(_object_of_many.keys) loop
    if v_few or pgflow._size(_object_of_many.outputs[i]) >= 65536 then
      v_object := v_object || jsonb_build_object(_object_of_many.keys[i], _object_of_many.outputs[i]);
    end if;
  end loop;
  return v_object;
end
$$;

comment on function pgflow._object_of_many(text[], jsonb[]) is 'As _object, of any number of keys.';
