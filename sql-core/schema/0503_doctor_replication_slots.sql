create view pgflow._doctor_replication_slots as
select case when s.xmin is not null or s.catalog_xmin is not null then 'error' else 'warning' end as severity, s.slot_name::text as subject,
  format('nobody reads this %s replication slot: it keeps %s of WAL%s', s.slot_type,
    pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)),
    case when s.xmin is not null or s.catalog_xmin is not null then ' and dead rows from vacuum' end) as finding,
  format('start its reader, or: select pg_drop_replication_slot(%L);', s.slot_name) as mend
from pg_catalog.pg_replication_slots s
where not s.active and not pg_is_in_recovery() and (s.xmin is not null or s.catalog_xmin is not null or s.restart_lsn is not null);

comment on view pgflow._doctor_replication_slots is 'Replication slots without a reader: they fill the disk, and may hold dead rows.';
