-- Without a pinned search_path, so that the planner inlines it into hot statements; every name in it is qualified.
create function pgflow._token_hash(token uuid) returns bytea
language sql immutable strict parallel safe
as 'select pg_catalog.substr(pg_catalog.sha256(pg_catalog.uuid_send(token)), 1, 16)';

comment on function pgflow._token_hash(uuid) is 'What is stored of an attempt token: the first 16 bytes of its SHA-256.';
