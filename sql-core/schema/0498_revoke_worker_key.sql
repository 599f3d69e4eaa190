create function pgflow.revoke_worker_key(key_id uuid) returns text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_was timestamptz;
begin
  select k.revoked_at into v_was from pgflow.worker_keys k where k.key_id = revoke_worker_key.key_id for no key update;
  if not found then
    raise exception 'no worker key %', coalesce(revoke_worker_key.key_id::text, 'null') using errcode = 'PF003',
      hint = 'pgflow keys list shows them.';
  elsif v_was is not null then
    return 'already_revoked';
  end if;
  update pgflow.worker_keys k set revoked_at = pgflow.clock() where k.key_id = revoke_worker_key.key_id;
  return 'revoked';
end
$$;

comment on function pgflow.revoke_worker_key(uuid) is
  'Let nothing more be claimed with a key; tasks that were claimed with it go on. revoked or already_revoked; PF003 if there is none.';
