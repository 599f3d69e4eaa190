create function pgflow._drop_dead_ready(queue_id int, max_entries int) returns void
language plpgsql volatile
set search_path to ''
as $$
begin
  with oldest as (
    select x.ctid as entry, x.run_id, x.step_id, x.task_index
    from pgflow.ready_tasks x
    where x.queue_id = _drop_dead_ready.queue_id
    order by x.xid, x.seq
    limit _drop_dead_ready.max_entries
    for update skip locked
  )
  delete from pgflow.ready_tasks t
  where t.ctid = any (array(
    select o.entry from oldest o
    where not exists (
      select from pgflow.steps s join pgflow.run_steps r on r.run_id = o.run_id and r.step_slug = s.step_slug
      where s.step_id = o.step_id and r.status = 'running')));
end
$$;

comment on function pgflow._drop_dead_ready(int, int) is
  'Drop the oldest entries of steps that ended: a cancelled run leaves as many as it had tasks queued.';
