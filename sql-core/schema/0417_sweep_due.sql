create function pgflow._sweep_due(now timestamptz) returns void
language plpgsql volatile
set search_path to ''
as $$
declare
  v_marks pgflow.sweep_marks;
  v_since timestamptz;
begin
  -- A mark ahead of the clock: the clock went back.
  select m.* into v_marks from pgflow.sweep_marks m
  where exists (
    select from pgflow.timers t
    where t.due_at between case when m.timer_low > _sweep_due.now then '-infinity' else m.timer_low end and _sweep_due.now
    order by t.due_at limit 1);
  if not found then
    return;
  end if;
  v_since := case when v_marks.timer_low > _sweep_due.now then '-infinity' else v_marks.timer_low end;
  -- Five seconds of margin for transactions that commit after their timer was due; maintain() looks below the mark too.
  if pgflow._sweep_timers(_sweep_due.now, v_since, 20) < 20
    and v_marks.timer_low not between _sweep_due.now - interval '7 seconds' and _sweep_due.now
  then
    update pgflow.sweep_marks m
    set timer_low = _sweep_due.now - interval '5 seconds'
    where m.ctid = any (array(select x.ctid from pgflow.sweep_marks x for update skip locked));
  end if;
end
$$;

comment on function pgflow._sweep_due(timestamptz) is 'The part of a claim that looks after time: a bounded number of due timers, usually none.';
