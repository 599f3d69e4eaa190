create function pgflow.sweep_lag() returns double precision
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_seqscan to off
as $$
declare
  v_now timestamptz := pgflow.clock();
begin
  return coalesce((
    select extract(epoch from v_now - t.due_at) from pgflow.timers t
    where t.due_at between (select least(m.timer_low, v_now) from pgflow.sweep_marks m) and v_now
    order by t.due_at limit 1), 0);
end
$$;

comment on function pgflow.sweep_lag() is 'For how many seconds the first timer has been due that nobody has followed yet; 0 if none is.';
