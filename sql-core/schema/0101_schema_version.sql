create function pgflow.schema_version() returns int
language sql immutable parallel safe
set search_path to pg_catalog, pg_temp
as 'select 1';

comment on function pgflow.schema_version() is 'Version of the installed schema; clients refuse one that they do not know.';
