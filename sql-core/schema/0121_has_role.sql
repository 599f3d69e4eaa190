create function pgflow._has_role(login text, roles text[]) returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  -- By name: the roles may not exist.
  return exists (
      select from pg_namespace n
      where n.nspname = 'pgflow' and pg_has_role(_has_role.login, n.nspowner, 'usage'))
    or exists (
      select from pg_roles r
      where r.rolname = any (_has_role.roles) and pg_has_role(_has_role.login, r.oid, 'usage'));
end
$$;

comment on function pgflow._has_role(text, text[]) is 'Whether somebody owns the schema, is a superuser, or has the rights of one of these roles.';
