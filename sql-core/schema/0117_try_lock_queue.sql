create function pgflow_locks.try_lock_queue(executor text, priority int) returns boolean
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  return pg_try_advisory_xact_lock(7150106, hashtext(format('%s %s', try_lock_queue.priority, try_lock_queue.executor)));
end
$$;

comment on function pgflow_locks.try_lock_queue(text, int) is 'Take the lock to make a queue if nobody is making it.';
