create table pgflow.worker_keys (
  key_id uuid not null,
  name text not null,
  token_hash bytea not null,
  executors text[] not null,
  flows text[],
  created_at timestamptz not null,
  created_by text not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  constraint worker_keys_pkey primary key (key_id),
  constraint worker_key_is_one_secret unique (token_hash)
);

comment on table pgflow.worker_keys is 'Credentials of workers that pull tasks without a database login of their own; the keys themselves are not stored.';
comment on column pgflow.worker_keys.token_hash is 'SHA-256 of the key. A key holds 244 random bits, so a slow hash would protect nothing more.';
comment on column pgflow.worker_keys.executors is 'Whose tasks the key may claim.';
comment on column pgflow.worker_keys.flows is 'Of which flows; null: of all.';
comment on column pgflow.worker_keys.last_used_at is 'When it last claimed, to the minute: a claim does not write each time.';
comment on column pgflow.worker_keys.key_id is 'Names the key where it is listed and revoked.';
comment on column pgflow.worker_keys.name is 'Who uses it, for people.';
comment on column pgflow.worker_keys.created_at is 'When it was made.';
comment on column pgflow.worker_keys.created_by is 'Who made it: a login, or the subject of its claims.';
comment on column pgflow.worker_keys.expires_at is 'From when on it claims nothing; null: never.';
comment on column pgflow.worker_keys.revoked_at is 'Since when it claims nothing; null: it was not revoked.';
