create function pgflow._sweep_timers(now timestamptz, since timestamptz, max_batches int) returns int
language plpgsql volatile
set search_path to ''
as $$
declare
  v_grace timestamptz;
  v_batches int;
  v_run_ids uuid[];
  v_step_ids int[];
  v_indexes int[];
  v_kinds text[];
  v_due record;
  v_ready_runs uuid[];
  v_ready_steps int[];
  v_ready_indexes int[];
  v_ready_queues int[];
  v_again_runs uuid[];
  v_again_steps int[];
  v_again_indexes int[];
  v_again_at timestamptz;
begin
  select m.lease_grace_until into v_grace from pgflow.sweep_marks m;
  with taken as (
    delete from pgflow.timers t
    where t.ctid = any (array(
      select x.ctid from pgflow.timers x
      where x.due_at between _sweep_timers.since and _sweep_timers.now
      order by x.due_at, x.seq
      limit _sweep_timers.max_batches
      for update skip locked))
    returning t.kind, t.run_ids, t.step_ids, t.task_indexes
  )
  select array_agg(u.run_id), array_agg(u.step_id), array_agg(u.task_index), array_agg(k.kind), (select count(*) from taken)
    into v_run_ids, v_step_ids, v_indexes, v_kinds, v_batches
  from taken k, unnest(k.run_ids, k.step_ids, k.task_indexes) u (run_id, step_id, task_index);

  -- Most tasks of a lease batch ended long ago: the joins drop them.
  for v_due in
    select u.run_id, u.step_id, u.task_index, u.kind, s.step_slug, t.queue_id,
      coalesce(m.lease_expires_at, t.lease_expires_at) as lease, coalesce(m.visible_at, t.visible_at) as visible_at
    from unnest(v_run_ids, v_step_ids, v_indexes, v_kinds) u (run_id, step_id, task_index, kind)
      join pgflow.steps s on s.step_id = u.step_id
      join pgflow.run_steps t on t.run_id = u.run_id and t.step_slug = s.step_slug
      left join pgflow.map_tasks m on u.task_index >= 0 and m.run_id = u.run_id and m.step_slug = s.step_slug and m.task_index = u.task_index
    where t.status = 'running' and (u.task_index = -1 or m.end_status is null)
      and case when u.kind = 'lease' then coalesce(m.lease_expires_at, t.lease_expires_at) is not null
        else coalesce(m.lease_expires_at, t.lease_expires_at) is null and coalesce(m.visible_at, t.visible_at) <= _sweep_timers.now end
    order by u.run_id, s.step_slug, u.task_index
  loop
    if v_due.kind = 'delay' then
      v_ready_runs := v_ready_runs || v_due.run_id;
      v_ready_steps := v_ready_steps || v_due.step_id;
      v_ready_indexes := v_ready_indexes || v_due.task_index;
      v_ready_queues := v_ready_queues || v_due.queue_id;
    elsif v_due.lease > _sweep_timers.now or v_grace > _sweep_timers.now
      or not pgflow._expire(v_due.run_id, v_due.step_slug, v_due.task_index, _sweep_timers.now)
    then
      v_again_runs := v_again_runs || v_due.run_id;
      v_again_steps := v_again_steps || v_due.step_id;
      v_again_indexes := v_again_indexes || v_due.task_index;
      v_again_at := least(v_again_at, greatest(v_due.lease, v_grace, _sweep_timers.now + interval '1 second'));
    end if;
  end loop;
  if v_ready_runs is not null then
    perform pgflow._enqueue(v_ready_runs, v_ready_steps, v_ready_indexes, v_ready_queues);
  end if;
  if v_again_runs is not null then
    insert into pgflow.timers (due_at, kind, run_ids, step_ids, task_indexes)
    values (v_again_at, 'lease', v_again_runs, v_again_steps, v_again_indexes);
  end if;
  return v_batches;
end
$$;

comment on function pgflow._sweep_timers(timestamptz, timestamptz, int) is
  'Follow up to so many due timers: delayed tasks become ready, expired leases end their attempts, renewed ones get a new timer. Returns how many timers it took.';
