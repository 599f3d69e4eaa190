create function pgflow._queue_id(executor text, priority int) returns int
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_queue_id int;
begin
  select q.queue_id into v_queue_id from pgflow.queues q
  where q.executor = _queue_id.executor and q.priority = _queue_id.priority;
  if v_queue_id is null and not pgflow_locks.try_lock_queue(_queue_id.executor, _queue_id.priority) then
    -- Another transaction is the first to use this priority, and nobody waits for its end: the nearest queue will do this once.
    select q.queue_id into v_queue_id from pgflow.queues q
    where q.executor = _queue_id.executor
    order by q.priority > _queue_id.priority, abs(q.priority - _queue_id.priority) limit 1;
  end if;
  if v_queue_id is null then
    insert into pgflow.queues (executor, priority) values (_queue_id.executor, _queue_id.priority)
    on conflict on constraint queue_is_one_executor_and_priority do nothing;
    select q.queue_id into v_queue_id from pgflow.queues q
    where q.executor = _queue_id.executor and q.priority = _queue_id.priority;
  end if;
  return v_queue_id;
end
$$;

comment on function pgflow._queue_id(text, int) is
  'The queue of an executor and a priority, made if it is new; the nearest one if another transaction is making it.';
