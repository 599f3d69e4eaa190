create view pgflow._doctor_wraparound as
select 'error' as severity, c.oid::regclass::text as subject,
  format('its oldest row is %s transactions old; autovacuum should have frozen it at %s, and at 2 billion PostgreSQL stops writing',
    age(c.relfrozenxid), current_setting('autovacuum_freeze_max_age')) as finding,
  format('see that nothing holds old snapshots (the checks beside this one), then: vacuum (freeze) %s;', c.oid::regclass) as mend
from pg_catalog.pg_class c
where c.relnamespace = 'pgflow'::regnamespace and c.relkind = 'r'
  and age(c.relfrozenxid) > 1.5 * current_setting('autovacuum_freeze_max_age')::bigint;

comment on view pgflow._doctor_wraparound is 'Tables of PGFlow whose rows autovacuum does not freeze in time.';
