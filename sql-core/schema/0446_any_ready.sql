create function pgflow._any_ready(executors text[]) returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return exists (
    select from pgflow.queues q
    where q.executor = any (_any_ready.executors)
      and not exists (select from pgflow.executors e where e.executor = q.executor and e.paused_at is not null
          and (e.probe_at is null or e.probe_at > pgflow.clock()))
      and exists (select from pgflow.ready_tasks t where t.queue_id = q.queue_id and (t.xid, t.seq) >= (pgflow._low_mark(q.low_xid), q.low_seq)));
end
$$;

comment on function pgflow._any_ready(text[]) is 'Whether tasks of these executors, if they are not paused or a probe of them is due, wait to be claimed.';
