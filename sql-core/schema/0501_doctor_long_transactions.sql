create view pgflow._doctor_long_transactions as
with holders as (
  select distinct l.pid
  from pg_catalog.pg_locks l left join pg_catalog.pg_class c on c.oid = l.relation
  where l.granted
    and (l.locktype = 'advisory' and l.classid between 7150101 and 7150105
      or c.relnamespace = 'pgflow'::regnamespace and l.mode <> 'AccessShareLock')
)

select case when h.pid is null then 'warning' else 'error' end as severity, format('pid %s', a.pid) as subject,
  format('%s of user %s is %s; its transaction is open since %s%s%s', coalesce(nullif(a.application_name, ''), 'a session'), a.usename, a.state,
    date_trunc('second', a.xact_start),
    case when h.pid is not null then ' and holds locks of PGFlow: others wait, or go on without these runs' end,
    case when coalesce(a.backend_xid, a.backend_xmin) is not null then '; it keeps vacuum from removing dead rows' end) as finding,
  format('let it commit or roll back, or: select pg_terminate_backend(%s);', a.pid) as mend
from pg_catalog.pg_stat_activity a
  left join holders h on h.pid = a.pid
where a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
  and a.xact_start < pgflow.clock() - case when a.state like 'idle in transaction%' then interval '1 minute' else interval '10 minutes' end;

comment on view pgflow._doctor_long_transactions is
  'Transactions idle for a minute or open for ten: they keep old row versions alive, and maybe runs locked.';
