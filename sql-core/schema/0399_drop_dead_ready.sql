create function pgflow._drop_dead_ready(queue pgflow.queues, max_entries int) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  delete from pgflow.ready_tasks t
  where t.ctid = any (array(
    select o.ctid from pgflow.ready_tasks o
    where o.ctid = any (array(
        select x.ctid from pgflow.ready_tasks x
        where x.queue_id = queue.queue_id and (x.xid, x.seq) >= (pgflow._low_mark(queue.low_xid), queue.low_seq)
        order by x.xid, x.seq
        limit _drop_dead_ready.max_entries))
      -- Not by an antijoin: rows are found by their keys whatever the statistics.
      and (
        select true
        from pgflow.steps s
          cross join lateral (
            select from pgflow.run_steps x
            where x.run_id = o.run_id and x.step_slug = s.step_slug and x.status = 'running' offset 0) r
        where s.step_id = o.step_id) is null
    for update skip locked));
end
$$;

comment on function pgflow._drop_dead_ready(pgflow.queues, int) is
  'Drop the oldest entries of steps that ended: a cancelled run leaves as many as it had tasks queued.';
