-- UUID version 7 (RFC 9562): 48 bits of milliseconds, then random. PostgreSQL has uuidv7() from 18 on only.
-- Setting bits 52 and 53 turns the version nibble of a version 4 UUID into 7.
-- Without a pinned search_path, so that the planner inlines it; every name in it is qualified.
create function pgflow._new_run_id() returns uuid
language sql volatile
as $$
  select pg_catalog.encode(
    pg_catalog.set_bit(
      pg_catalog.set_bit(
        pg_catalog.overlay(
          pg_catalog.uuid_send(pg_catalog.gen_random_uuid()),
          pg_catalog.substring(pg_catalog.int8send((extract(epoch from pg_catalog.clock_timestamp()) * 1000)::bigint), 3),
          1, 6),
        52, 1),
      53, 1),
    'hex')::uuid
$$;

comment on function pgflow._new_run_id() is 'A time-ordered random UUID (version 7).';
