create function pgflow._check_keys(place text, value jsonb, types jsonb) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_key text;
  v_type text;
begin
  if jsonb_typeof(_check_keys.value) is distinct from 'object' then
    raise exception '% must be an object, not %', _check_keys.place, coalesce(jsonb_typeof(_check_keys.value), 'null')
      using errcode = 'PF001';
  end if;
  for v_key, v_type in select e.key, jsonb_typeof(e.value) from jsonb_each(_check_keys.value) e loop
    if not _check_keys.types ? v_key then
      raise exception '%: unknown key "%"', _check_keys.place, v_key
        using errcode = 'PF001',
          hint = 'Known keys: ' || (select string_agg(k, ', ' order by k) from jsonb_object_keys(_check_keys.types) k) || '.';
    end if;
    if v_type <> 'null' and v_type <> _check_keys.types ->> v_key then
      raise exception '%: "%" must be of type %, not %', _check_keys.place, v_key, _check_keys.types ->> v_key, v_type
        using errcode = 'PF001';
    end if;
  end loop;
end
$$;

comment on function pgflow._check_keys(text, jsonb, jsonb) is 'PF001 if the object has a key outside `types` (key -> jsonb type name) or a value of another type.';
