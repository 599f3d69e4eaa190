create function pgflow._pop_ready(queue pgflow.queues, max_tasks int,
  out run_ids uuid[], out step_ids int[], out task_indexes int[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_low bigint := pgflow._low_mark(queue.low_xid);
  v_min bigint;
begin
  with popped as (
    delete from pgflow.ready_tasks t
    where t.ctid = any (array(
      select x.ctid from pgflow.ready_tasks x
      where x.queue_id = queue.queue_id and x.xid >= v_low
      order by x.xid, x.seq
      limit _pop_ready.max_tasks
      for update skip locked))
    returning t.xid, t.seq, t.run_id, t.step_id, t.task_index
  )
  select array_agg(p.run_id order by p.xid, p.seq), array_agg(p.step_id order by p.xid, p.seq),
    array_agg(p.task_index order by p.xid, p.seq), min(p.xid)
    into run_ids, step_ids, task_indexes, v_min
  from popped p;

  -- Move the mark now and then. Safe: an open transaction has an id of at least the snapshot's xmin, so nothing can
  -- appear below it; entries that other claimers hold locked are still visible and hold the mark back.
  if v_min > v_low + 64 or v_low <> queue.low_xid then
    update pgflow.queues q
    set low_xid = least(pg_snapshot_xmin(pg_current_snapshot())::text::bigint, coalesce((
        select x.xid from pgflow.ready_tasks x
        where x.queue_id = q.queue_id and x.xid >= v_low
        order by x.xid, x.seq limit 1), v_min))
    where q.ctid = any (array(select y.ctid from pgflow.queues y where y.queue_id = queue.queue_id for update skip locked));
  end if;
end
$$;

comment on function pgflow._pop_ready(pgflow.queues, int) is
  'Take the oldest ready entries of a queue that nobody else is taking. Their tasks are not touched yet.';
