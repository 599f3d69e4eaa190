create view pgflow._doctor_roles as
select 'note' as severity, r.role_name as subject, 'the role does not exist: nobody can be given just these rights' as finding,
  format('create role %I nologin; select pgflow.grant_roles();', r.role_name) as mend
from pgflow._role_rights() r
where not exists (
  select from pg_catalog.pg_roles g
  where g.rolname = r.role_name)
union all
select 'warning', r.role_name, format('it may not call %s', string_agg(distinct p.proname, ', ' order by p.proname)), 'select pgflow.grant_roles();'
from pgflow._role_rights() r
  join pg_catalog.pg_roles g on g.rolname = r.role_name
  join pg_catalog.pg_proc p on p.pronamespace = 'pgflow'::regnamespace and p.proname = any(r.verbs)
where not has_function_privilege(g.oid, p.oid, 'execute')
group by r.role_name;

comment on view pgflow._doctor_roles is 'Roles of PGFlow that are missing, or lack rights that they should have.';
