create function pgflow._notify_ready() returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_xid bigint := pg_current_xact_id_if_assigned()::text::bigint;
  v_executors text;
begin
  -- What this transaction made ready carries its id: nothing needs to be remembered on the way here.
  if v_xid is null then
    return;
  end if;
  -- A probe a queue; without the lateral the planner walks the whole index for the xid.
  select string_agg(distinct q.executor, ',' order by q.executor) into v_executors
  from pgflow.queues q
    cross join lateral (select from pgflow.ready_tasks t where t.queue_id = q.queue_id and t.xid = v_xid limit 1) t
  where q.queue_id > 0
    and not exists (select from pgflow.executors e where e.executor = q.executor and e.paused_at is not null);
  if v_executors is not null then
    perform pg_notify('pgflow_ready', v_executors);
  end if;
end
$$;

comment on function pgflow._notify_ready() is 'Wake the dispatchers of the executors for which this transaction leaves tasks ready.';
