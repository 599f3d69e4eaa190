create function pgflow._pop_ready_of_steps(queue pgflow.queues, max_tasks int, wanted int[],
  out run_ids uuid[], out step_ids int[], out task_indexes int[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Walks past the entries of other steps, and leaves the low-water mark to those who take them.
  with popped as (
    delete from pgflow.ready_tasks t
    where t.ctid = any (array(
      select x.ctid from pgflow.ready_tasks x
      where x.queue_id = queue.queue_id and (x.xid, x.seq) >= (pgflow._low_mark(queue.low_xid), queue.low_seq)
        and x.step_id = any (_pop_ready_of_steps.wanted)
      order by x.xid, x.seq
      limit _pop_ready_of_steps.max_tasks
      for update skip locked))
    returning t.xid, t.seq, t.run_id, t.step_id, t.task_index
  )
  select array_agg(p.run_id order by p.xid, p.seq), array_agg(p.step_id order by p.xid, p.seq),
    array_agg(p.task_index order by p.xid, p.seq)
    into run_ids, step_ids, task_indexes
  from popped p;
end
$$;

comment on function pgflow._pop_ready_of_steps(pgflow.queues, int, int[]) is
  'As _pop_ready, of these steps alone: what a claim for some flows takes.';
