create function pgflow.next_wake_at(executors text[]) returns timestamptz
language plpgsql stable
set search_path to pg_catalog, pg_temp
set enable_seqscan to off
as $$
begin
  if exists (
    select from pgflow.queues q
    where q.executor = any (next_wake_at.executors)
      and not exists (select from pgflow.executors e where e.executor = q.executor and e.paused_at is not null)
      and exists (select from pgflow.ready_tasks t where t.queue_id = q.queue_id
          and t.xid >= pgflow._low_mark(q.low_xid)))
  then
    return pgflow.clock();
  end if;
  return pgflow._next_timer(next_wake_at.executors);
end
$$;

comment on function pgflow.next_wake_at(text[]) is
  'When a claim for one of these executors is next worth it: now if tasks are ready, else when the next timer is due; null if none is set.';
