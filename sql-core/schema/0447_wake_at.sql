create function pgflow._wake_at(executors text[], held_for interval) returns timestamptz
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return least((
      select t.due_at from pgflow.timers t
      where t.due_at >= (select least(m.timer_low, pgflow.clock()) from pgflow.sweep_marks m) and t.executor = any (_wake_at.executors)
      order by t.due_at limit 1),
    case when exists (
      select from pgflow.queues q
      where q.executor = any (_wake_at.executors)
        and not exists (select from pgflow.executors e where e.executor = q.executor and e.paused_at is not null
            and (e.probe_at is null or e.probe_at > pgflow.clock()))
        and exists (select from pgflow.ready_tasks t where t.queue_id = q.queue_id and (t.xid, t.seq) >= (pgflow._low_mark(q.low_xid), q.low_seq)))
      then pgflow.clock() + _wake_at.held_for end);
end
$$;

comment on function pgflow._wake_at(text[], interval) is
  'When a claim for one of these executors is next worth it: when the next timer is due, or, if tasks wait and no pause keeps them, after held_for.';
