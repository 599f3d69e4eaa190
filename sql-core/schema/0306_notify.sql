create function pgflow._notify() returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_xid bigint := pg_current_xact_id_if_assigned()::text::bigint;
  v_executors text;
  v_ended text := current_setting('pgflow.ended_runs', true);
begin
  if v_ended <> '' then
    perform set_config('pgflow.ended_runs', '', true);
    -- A payload is limited to 8000 bytes.
    perform pg_notify('pgflow_events', case when length(v_ended) < 8000 then v_ended else '*' end);
  end if;
  -- What this transaction made ready carries its id: nothing needs to be remembered on the way here.
  if v_xid is null then
    return;
  end if;
  -- Only where nothing older waits: whoever was woken for that finds ours too. A notification holds a lock of the whole cluster
  -- while the commit is flushed, so many callers that each start a run would stand in line (8 clients: 3 times the runs a second).
  -- An entry with an xmax is being claimed, or was: that claim may not see ours. A claim that begins between this look and our
  -- commit is left to the next poll, which comes soon after a claim that found something.
  select string_agg(distinct q.executor, ',' order by q.executor) into v_executors
  from pgflow.queues q
    cross join lateral (
      select x.xid from pgflow.ready_tasks x
      where x.queue_id = q.queue_id and (x.xid, x.seq) >= (pgflow._low_mark(q.low_xid), q.low_seq) and x.xmax = '0'
      order by x.xid, x.seq limit 1) oldest
  where q.queue_id > 0 and oldest.xid = v_xid
    and not exists (select from pgflow.executors e where e.executor = q.executor and e.paused_at is not null);
  if v_executors is not null then
    perform pg_notify('pgflow_ready', v_executors);
  end if;
end
$$;

comment on function pgflow._notify() is
  'The last thing that a verb does: tell listeners which runs it ended (* when they are too many to name), and wake the dispatchers of the executors for which this transaction leaves tasks ready, unless older ones wait.';
