create view pgflow._doctor_settings as
select v.severity, s.name as subject, format('%s = %s: %s', s.name, s.reset_val, v.finding) as finding,
  replace(v.mend, 'DATABASE', quote_ident(current_database())) as mend
from pg_catalog.pg_settings s
  join (values
    ('autovacuum', 'error', array['off'], 'dead rows stay, and every claim reads past them',
      'alter system set autovacuum = on; select pg_reload_conf();'),
    ('track_counts', 'error', array['off'], 'autovacuum does not see what changes', 'alter system set track_counts = on; select pg_reload_conf();'),
    ('fsync', 'error', array['off'], 'a crash of the machine can ruin every table',
      'alter system set fsync = on; select pg_reload_conf(); it may be off for data nobody misses'),
    ('full_page_writes', 'error', array['off'], 'a crash of the machine can ruin every table',
      'alter system set full_page_writes = on; select pg_reload_conf(); it may be off for data nobody misses'),
    ('synchronous_commit', 'warning', array['off'], 'a crash forgets the last commits: tasks run again, runs just started are gone',
      'alter system set synchronous_commit = on; select pg_reload_conf(); or leave it to the sessions that can afford it'),
    ('default_transaction_read_only', 'error', array['on'], 'nothing can be claimed or reported',
      'alter database DATABASE reset default_transaction_read_only, or alter role; or connect to the primary server'),
    ('default_transaction_isolation', 'warning', array['repeatable read', 'serializable'],
      'sessions that meet end with serialization errors and have to begin again',
      'alter database DATABASE reset default_transaction_isolation, or alter role; the engine is made for read committed'),
    ('idle_in_transaction_session_timeout', 'note', array['0'], 'a client that stops inside a transaction holds its runs for ever',
      'alter database DATABASE set idle_in_transaction_session_timeout = ''5min'';')
  ) v (name, severity, bad_values, finding, mend) on v.name = s.name and s.reset_val = any(v.bad_values)
union all
select 'warning', s.name, format('%s = %s ms: large batches, migrations and maintenance are cut off', s.name, s.reset_val),
  format('alter database %I set statement_timeout = ''60s''; or 0; or alter role', current_database())
from pg_catalog.pg_settings s
where s.name = 'statement_timeout' and s.reset_val::bigint between 1 and 9999
union all
select 'warning', 'max_locks_per_transaction',
  format('max_locks_per_transaction = %s: room for few locks of all sessions together, and one batch may lock 500 runs',
    current_setting('max_locks_per_transaction')),
  'alter system set max_locks_per_transaction = 128; then restart the server'
where current_setting('max_locks_per_transaction')::bigint
  * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint) < 5000;

comment on view pgflow._doctor_settings is 'Settings of the server, role or database that lose data, time or locks.';
