create view pgflow._doctor_invalid_indexes as
select 'error' as severity, i.indexrelid::regclass::text as subject,
  format('index of %s is not valid: statements do without it, and what it should keep unique may not be', i.indrelid::regclass) as finding,
  format('reindex index concurrently %s;', i.indexrelid::regclass) as mend
from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indrelid
where c.relnamespace = 'pgflow'::regnamespace and not (i.indisvalid and i.indisready);

comment on view pgflow._doctor_invalid_indexes is 'Indexes of PGFlow that a broken or interrupted build left unusable.';
