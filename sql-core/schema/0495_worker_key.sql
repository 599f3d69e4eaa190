create function pgflow._worker_key(key text, executor text, now timestamptz) returns pgflow.worker_keys
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_key pgflow.worker_keys;
begin
  -- Hashes are compared, so how long it takes says nothing about a key.
  select k.* into v_key from pgflow.worker_keys k
  where k.token_hash = sha256(convert_to(_worker_key.key, 'UTF8'))
    and k.revoked_at is null and (k.expires_at is null or k.expires_at > _worker_key.now);
  if not found then
    raise exception 'the worker key is unknown, was revoked, or has expired' using errcode = 'PF009',
      hint = 'Have a new one made: pgflow keys create.';
  elsif _worker_key.executor <> all (v_key.executors) then
    raise exception 'worker key "%" is not for executor "%"', v_key.name, _worker_key.executor using errcode = 'PF006',
      hint = format('It is for: %s.', array_to_string(v_key.executors, ', '));
  end if;
  return v_key;
end
$$;

comment on function pgflow._worker_key(text, text, timestamptz) is
  'What a key stands for; PF009 if it is worth nothing now, PF006 if it is not for this executor.';
