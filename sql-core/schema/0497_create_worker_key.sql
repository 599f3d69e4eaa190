create function pgflow.create_worker_key(name text, executors text[], flows text[] default null, expires_at timestamptz default null)
  returns table (key_id uuid, key text)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := pgflow.clock();
  v_name text;
begin
  perform pgflow._check_name('name', create_worker_key.name);
  if coalesce(create_worker_key.name, '') = '' then
    raise exception 'name must be given' using errcode = 'PF008', hint = 'Say who will use the key.';
  elsif coalesce(cardinality(create_worker_key.executors), 0) = 0 then
    raise exception 'executors must name at least one' using errcode = 'PF008', hint = 'A key is for the executors it names.';
  elsif cardinality(create_worker_key.flows) = 0 then
    raise exception 'flows must name at least one, or be null' using errcode = 'PF008', hint = 'Null stands for all flows.';
  elsif create_worker_key.expires_at <= v_now then
    raise exception 'expires_at must lie in the future' using errcode = 'PF008';
  end if;
  foreach v_name in array create_worker_key.executors || create_worker_key.flows loop
    perform pgflow._check_name('executors and flows', v_name);
    if coalesce(v_name, '') = '' then
      raise exception 'executors and flows must not hold an empty name' using errcode = 'PF008';
    end if;
  end loop;
  key_id := gen_random_uuid();
  key := 'pgflow_key_' || replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
  insert into pgflow.worker_keys (key_id, name, token_hash, executors, flows, created_at, created_by, expires_at)
  values (create_worker_key.key_id, create_worker_key.name, sha256(convert_to(create_worker_key.key, 'UTF8')), create_worker_key.executors,
    create_worker_key.flows, v_now, pgflow._caller(), create_worker_key.expires_at);
  return next;
end
$$;

comment on function pgflow.create_worker_key(text, text[], text[], timestamptz) is
  'Make a key with which workers claim tasks of these executors, and of these flows if any are named. It is shown this once: only its hash is stored.';
