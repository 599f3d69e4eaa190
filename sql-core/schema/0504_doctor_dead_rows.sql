create view pgflow._doctor_dead_rows as
select 'warning' as severity, format('%I.%I', t.schemaname, t.relname) as subject,
  format('%s dead rows beside %s live ones; last vacuumed %s', t.n_dead_tup, t.n_live_tup,
    coalesce(date_trunc('second', greatest(t.last_vacuum, t.last_autovacuum))::text, 'never')) as finding,
  format('see that nothing holds old snapshots (the checks beside this one), then: vacuum (verbose, analyze) %I.%I;', t.schemaname, t.relname) as mend
from pg_catalog.pg_stat_user_tables t
where t.schemaname = 'pgflow' and t.n_dead_tup > 50000 + 2 * t.n_live_tup
  and coalesce(greatest(t.last_vacuum, t.last_autovacuum), pg_postmaster_start_time()) < pgflow.clock() - interval '10 minutes';

comment on view pgflow._doctor_dead_rows is 'Tables of PGFlow that are mostly dead rows, which autovacuum has left for ten minutes.';
