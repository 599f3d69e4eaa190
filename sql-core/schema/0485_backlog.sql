create function pgflow.backlog(max_counted int default 10000)
  returns table (executor text, ready_tasks bigint, oldest_seconds double precision, paused boolean)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
begin
  if backlog.max_counted is null or backlog.max_counted not between 1 and 1000000 then
    raise exception 'max_counted must be between 1 and 1000000' using errcode = 'PF008';
  end if;
  -- From each queue's low-water mark on: below it lie only entries that vacuum has yet to remove.
  return query
  select e.executor, least(coalesce(sum(n.counted), 0), backlog.max_counted)::bigint,
    greatest(0, extract(epoch from pgflow.clock() - min(f.ready_at)))::double precision, e.paused_at is not null
  from pgflow.executors e
    left join pgflow.queues q on q.executor = e.executor
    left join lateral (
      select count(*) as counted from (
        select from pgflow.ready_tasks t
        where t.queue_id = q.queue_id and (t.xid, t.seq) >= (pgflow._low_mark(q.low_xid), q.low_seq) limit backlog.max_counted) c) n on true
    left join lateral (
      select greatest(k.queued_at, k.waits_from) as ready_at from (
        select t.run_id, t.step_id, t.task_index from pgflow.ready_tasks t
        where t.queue_id = q.queue_id and (t.xid, t.seq) >= (pgflow._low_mark(q.low_xid), q.low_seq)
        order by t.xid, t.seq limit 1) o
        join pgflow.steps s on s.step_id = o.step_id
        cross join lateral (
          select r.started_at as queued_at, case when o.task_index = -1 then r.visible_at else m.visible_at end as waits_from
          from pgflow.run_steps r
            left join pgflow.map_tasks m on m.run_id = r.run_id and m.step_slug = r.step_slug and m.task_index = o.task_index
          where r.run_id = o.run_id and r.step_slug = s.step_slug) k) f on true
  group by e.executor, e.paused_at
  order by e.executor;
end
$$;

comment on function pgflow.backlog(int) is
  'How many tasks of each executor are ready, counted up to max_counted, and for how many seconds the first in line has been (0 if none is).';
