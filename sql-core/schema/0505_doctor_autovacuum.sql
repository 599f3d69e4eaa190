create view pgflow._doctor_autovacuum as
select 'error' as severity, c.oid::regclass::text as subject, 'autovacuum is switched off for this table: its dead rows stay' as finding,
  format('alter table %s reset (autovacuum_enabled);', c.oid::regclass) as mend
from pg_catalog.pg_class c cross join lateral pg_options_to_table(c.reloptions) o
where c.relnamespace = 'pgflow'::regnamespace and c.relkind = 'r' and o.option_name = 'autovacuum_enabled' and not o.option_value::boolean;

comment on view pgflow._doctor_autovacuum is 'Tables of PGFlow that autovacuum was told to leave alone.';
