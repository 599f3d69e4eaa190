create function pgflow._sweep_timers(now timestamptz, since timestamptz, max_batches int) returns int
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_grace timestamptz;
  v_batches int;
  v_due record;
  v_ready record;
  v_again record;
begin
  -- At most an hour: more was set under a clock that was ahead.
  select case when m.lease_grace_until <= _sweep_timers.now + interval '1 hour' then m.lease_grace_until end into v_grace
  from pgflow.sweep_marks m;
  with taken as (
    delete from pgflow.timers t
    where t.ctid = any (array(
      select x.ctid from pgflow.timers x
      where x.due_at between _sweep_timers.since and _sweep_timers.now
      order by x.due_at, x.seq
      limit _sweep_timers.max_batches
      for update skip locked))
    returning t.due_at, t.kind, t.run_ids, t.step_ids, t.task_indexes
  )
  select array_agg(u.run_id order by k.due_at, u.ordinality) as run_ids, array_agg(u.step_id order by k.due_at, u.ordinality) as step_ids,
    array_agg(u.task_index order by k.due_at, u.ordinality) as indexes, array_agg(k.kind order by k.due_at, u.ordinality) as kinds,
    (select count(*) from taken) as batches
    into v_due
  from taken k, unnest(k.run_ids, k.step_ids, k.task_indexes) with ordinality u (run_id, step_id, task_index, ordinality);
  v_batches := v_due.batches;

  if 'delay' = any (v_due.kinds) then
    select array_agg(d.run_id order by d.ordinality) as run_ids, array_agg(d.step_id order by d.ordinality) as step_ids,
      array_agg(d.task_index order by d.ordinality) as indexes, array_agg(d.queue_id order by d.ordinality) as queue_ids
      into v_ready
    from pgflow._live_tasks(v_due.run_ids, v_due.step_ids, v_due.indexes) d
    where v_due.kinds[d.ordinality] = 'delay' and d.lease_expires_at is null and d.visible_at <= _sweep_timers.now;
    if v_ready.run_ids is not null then
      perform pgflow._enqueue(v_ready.run_ids, v_ready.step_ids, v_ready.indexes, v_ready.queue_ids);
    end if;
  end if;

  -- _expire reads each task again: ending one may have closed a run with others due in it.
  select array_agg(d.run_id) as run_ids, array_agg(d.step_id) as step_ids, array_agg(d.task_index) as indexes,
    array_agg(case when d.due_so_far > 500 then _sweep_timers.now
      else greatest(d.due_at, v_grace, _sweep_timers.now + interval '1 second') end) as due_ats
    into v_again
  from (
    select l.*, count(*) filter (where l.due_at <= _sweep_timers.now) over (order by l.ordinality) as due_so_far
    from pgflow._live_tasks(v_due.run_ids, v_due.step_ids, v_due.indexes) l
    where v_due.kinds[l.ordinality] = 'lease' and l.lease_expires_at is not null) d
  -- At most 500: each takes the lock of its run, and the lock table is small.
  where d.due_at > _sweep_timers.now or v_grace > _sweep_timers.now or d.due_so_far > 500
    or not pgflow._expire(d.run_id, d.step_slug, d.task_index, _sweep_timers.now);
  if v_again.run_ids is not null then
    perform pgflow._set_timers('lease', v_again.run_ids, v_again.step_ids, v_again.indexes, v_again.due_ats);
  end if;
  return v_batches;
end
$$;

comment on function pgflow._sweep_timers(timestamptz, timestamptz, int) is
  'Follow up to so many due timers: delayed tasks become ready, expired leases end their attempts, renewed ones get a new timer. Returns how many timers it took.';
