create function pgflow._pop_ready(queue pgflow.queues, max_tasks int,
  out run_ids uuid[], out step_ids int[], out task_indexes int[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_low bigint := pgflow._low_mark(queue.low_xid);
  v_first_xid bigint;
  v_first_seq bigint;
  v_next_xid bigint;
  v_next_seq bigint;
begin
  with popped as (
    delete from pgflow.ready_tasks t
    where t.ctid = any (array(
      select x.ctid from pgflow.ready_tasks x
      where x.queue_id = queue.queue_id and (x.xid, x.seq) >= (v_low, queue.low_seq)
      order by x.xid, x.seq
      limit _pop_ready.max_tasks
      for update skip locked))
    returning t.xid, t.seq, t.run_id, t.step_id, t.task_index
  )
  select array_agg(p.run_id order by p.xid, p.seq), array_agg(p.step_id order by p.xid, p.seq),
    array_agg(p.task_index order by p.xid, p.seq), (array_agg(p.xid order by p.xid, p.seq))[1], (array_agg(p.seq order by p.xid, p.seq))[1]
    into run_ids, step_ids, task_indexes, v_first_xid, v_first_seq
  from popped p;

  -- Move the mark now and then: after 64 transactions, or 1000 entries (a map of 20,000 items is one transaction).
  -- Safe: an open transaction has an id of at least the snapshot's xmin, so nothing can appear below it; entries that other
  -- claimers hold locked are still visible and hold the mark back.
  if v_first_xid > v_low + 64 or v_first_seq not between queue.low_seq - 1000 and queue.low_seq + 1000 or v_low <> queue.low_xid then
    select least(o.xid, s.xmin), case when o.xid < s.xmin then o.seq else 0 end into v_next_xid, v_next_seq
    from (select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin) s
      left join lateral (
        select x.xid, x.seq from pgflow.ready_tasks x
        where x.queue_id = queue.queue_id and (x.xid, x.seq) >= (v_low, queue.low_seq)
        order by x.xid, x.seq limit 1) v on true
      cross join lateral (select coalesce(v.xid, v_first_xid) as xid, coalesce(v.seq, v_first_seq) as seq) o;
    if (v_next_xid, v_next_seq) <> (queue.low_xid, queue.low_seq) then
      update pgflow.queues q
      set low_xid = v_next_xid, low_seq = v_next_seq
      where q.ctid = any (array(select y.ctid from pgflow.queues y where y.queue_id = queue.queue_id for update skip locked));
    end if;
  end if;
end
$$;

comment on function pgflow._pop_ready(pgflow.queues, int) is
  'Take the oldest ready entries of a queue that nobody else is taking. Their tasks are not touched yet.';
