create function pgflow_locks.lock_runs(run_ids uuid[], shared boolean default false) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- One statement, ascending by hash: two calls over overlapping sets of runs cannot deadlock.
  if lock_runs.shared then
    perform pg_advisory_xact_lock_shared(7150104, h.hash)
    from (select distinct uuid_hash(u.run_id) as hash from unnest(lock_runs.run_ids) u (run_id) order by 1) h;
  else
    perform pg_advisory_xact_lock(7150104, h.hash)
    from (select distinct uuid_hash(u.run_id) as hash from unnest(lock_runs.run_ids) u (run_id) order by 1) h;
  end if;
end
$$;

comment on function pgflow_locks.lock_runs(uuid[], boolean) is 'Take the locks of these runs, ascending, until the transaction ends.';
