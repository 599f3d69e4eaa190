create function pgflow._create_role(name text) returns boolean
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if not exists (select from pg_roles r where r.rolname = _create_role.name) then
    execute format('create role %I nologin', _create_role.name);
  end if;
  return true;
exception
  -- Roles are of the whole cluster: another of its databases was migrated at this moment.
  when duplicate_object or unique_violation then
    return true;
  when insufficient_privilege then
    raise notice 'role % does not exist and "%" may not create it', _create_role.name, current_user
      using hint = format('Have it made (create role %I nologin), then call pgflow.grant_roles().', _create_role.name);
    return false;
end
$$;

comment on function pgflow._create_role(text) is 'Make a role unless it exists; false, with a notice, if the caller may not.';
