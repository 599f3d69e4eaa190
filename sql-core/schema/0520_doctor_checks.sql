create view pgflow.doctor_checks with (security_invoker) as
select substr(c.relname, length('_doctor_') + 1) as check_name, obj_description(c.oid, 'pg_class') as description
from pg_catalog.pg_class c
where c.relnamespace = 'pgflow'::regnamespace and c.relkind = 'v' and c.relname like '\_doctor\_%';

comment on view pgflow.doctor_checks is 'What doctor() looks for: a check is a view _doctor_<name> of severity, subject, finding and mend.';
comment on column pgflow.doctor_checks.check_name is 'Name of the check, as in what doctor() returns.';
comment on column pgflow.doctor_checks.description is 'What is wrong where it finds something.';
