create function pgflow._effective_role() returns text
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Not current_user: inside a verb that is the owner of the schema.
  return case when current_setting('role') = 'none' then session_user else current_setting('role') end;
end
$$;

comment on function pgflow._effective_role() is 'The role whose rights the caller has: that of `set role`, or the login.';
