create function pgflow.grant_roles() returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_right record;
  v_statement text;
begin
  -- PostgreSQL grants execute on a new function to everybody.
  revoke all on schema pgflow, pgflow_locks from public;
  revoke all on all tables in schema pgflow from public;
  revoke all on all functions in schema pgflow, pgflow_locks from public;
  for v_right in select * from pgflow._role_rights() loop
    continue when not pgflow._create_role(v_right.role_name);
    execute format('revoke all on all tables in schema pgflow from %I', v_right.role_name);
    execute format('revoke all on all functions in schema pgflow from %I', v_right.role_name);
    execute format('grant usage on schema pgflow to %I', v_right.role_name);
    for v_statement in
      select format('grant execute on function %s to %I', p.oid::regprocedure, v_right.role_name)
      from pg_proc p
      where p.pronamespace = 'pgflow'::regnamespace and p.proname = any (v_right.verbs)
      union all
      -- Where there is a token_hash by column: it is for nobody.
      select format('grant select %s on pgflow.%I to %I',
        case when bool_or(a.attname = 'token_hash') then
          format('(%s)', string_agg(quote_ident(a.attname), ', ' order by a.attnum) filter (where a.attname <> 'token_hash')) end,
        c.relname, v_right.role_name)
      from pg_class c join pg_attribute a on a.attrelid = c.oid
      where c.relnamespace = 'pgflow'::regnamespace and c.relname = any (v_right.tables) and a.attnum > 0 and not a.attisdropped
      group by c.oid, c.relname
      order by 1
    loop
      execute v_statement;
    end loop;
  end loop;
end
$$;

comment on function pgflow.grant_roles() is
  'Make the roles of PGFlow where they are missing, and give each its rights in this database, no more. For the owner of the schema; migrations end with it.';
