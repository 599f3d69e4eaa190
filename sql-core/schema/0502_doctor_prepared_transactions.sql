create view pgflow._doctor_prepared_transactions as
select 'error' as severity, p.gid as subject,
  format('transaction prepared at %s by user %s is neither committed nor rolled back: it keeps its locks and every dead row since',
    date_trunc('second', p.prepared), p.owner) as finding,
  format('in this database: commit prepared %L; or rollback prepared %L;', p.gid, p.gid) as mend
from pg_catalog.pg_prepared_xacts p
where p.database = current_database() and p.prepared < pgflow.clock() - interval '5 minutes';

comment on view pgflow._doctor_prepared_transactions is 'Two-phase transactions that somebody forgot: no restart ends them.';
