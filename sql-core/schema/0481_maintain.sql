create function pgflow.maintain() returns jsonb
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_timers int := 0;
  v_retention interval;
  v_pruned int := 0;
  v_portion constant int := 500;
begin
  if not pgflow_locks.try_lock_maintenance() then
    return jsonb_build_object('skipped', true);
  end if;
  -- The whole index, also below the mark: a transaction may have committed after its timer was due.
  v_timers := pgflow._sweep_timers(v_now, '-infinity', 100);
  -- Marks from the future: the database was restored where transaction ids are lower. Claims ignore them until the ids have
  -- come so far; by then they are gone.
  update pgflow.queues q set low_xid = 0, low_seq = 0
  where q.ctid = any (array(
    select o.ctid from pgflow.queues o
    where pgflow._low_mark(o.low_xid) <> o.low_xid
    for update skip locked));
  perform pgflow._forget_live_logs(v_now);
  select s.retention into v_retention from pgflow.settings s;
  if v_retention is not null then
    v_pruned := pgflow.prune_runs(v_retention, v_portion);
  end if;
  perform pgflow._notify();
  return jsonb_build_object('skipped', false, 'timers', v_timers, 'pruned', v_pruned, 'more', v_pruned = v_portion);
end
$$;

comment on function pgflow.maintain() is
  'One bounded pass over due timers (delayed tasks, expired leases, deadlines), and up to 500 runs older than the retention. Anybody may call it; one works at a time.
Returns {"skipped", "timers", "pruned", "more"}: more is true when it deleted all it may at once, so that another pass may find others.';
