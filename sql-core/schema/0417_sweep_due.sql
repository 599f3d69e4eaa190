create function pgflow._sweep_due(now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_marks pgflow.sweep_marks;
  v_is_full boolean;
  v_is_done boolean;
begin
  select m.* into strict v_marks from pgflow.sweep_marks m;
  v_is_full := v_marks.full_sweep_at not between _sweep_due.now - interval '30 seconds' and _sweep_due.now;
  v_is_done := pgflow._sweep_timers(_sweep_due.now,
    case when v_is_full or v_marks.timer_low > _sweep_due.now then '-infinity' else v_marks.timer_low end, 100) < 100;
  if v_is_done and (v_is_full or v_marks.timer_low not between _sweep_due.now - interval '7 seconds' and _sweep_due.now) then
    -- Five seconds of margin for transactions that commit a little after their timer was due.
    update pgflow.sweep_marks m
    set timer_low = _sweep_due.now - interval '5 seconds', full_sweep_at = case when v_is_full then _sweep_due.now else m.full_sweep_at end
    where m.ctid = any (array(select x.ctid from pgflow.sweep_marks x for update skip locked));
  end if;
end
$$;

comment on function pgflow._sweep_due(timestamptz) is 'The part of a claim that looks after time, when it is due: a bounded number of timers.';
