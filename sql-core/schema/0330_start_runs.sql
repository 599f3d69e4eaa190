create function pgflow._start_runs(flow_slug text, inputs jsonb[], run_ids uuid[], inout flow_version int, idempotency_keys text[],
  priority int, start_at timestamptz, tags jsonb, out started uuid[], out may_have_ended boolean)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_xid bigint := pg_current_xact_id()::text::bigint;
  v_owner text := pgflow._caller();
  v_flow pgflow.flows;
  v_not_before timestamptz := case when _start_runs.start_at > v_now then _start_runs.start_at end;
  v_priority int;
  v_later uuid := pgflow._run_id_at(v_now + interval '10 seconds');
  v_waiting record;
  v_next record;
begin
  perform pgflow_locks.use_flow(_start_runs.flow_slug);
  v_flow := pgflow._find_flow(_start_runs.flow_slug, _start_runs.flow_version);
  _start_runs.flow_version := v_flow.flow_version;
  perform pgflow._check_run_options(_start_runs.priority, _start_runs.tags, _start_runs.idempotency_keys, _start_runs.start_at);
  perform pgflow._check_inputs(v_flow, _start_runs.inputs);
  v_priority := coalesce(_start_runs.priority, (v_flow.definition -> 'options' ->> 'priority')::int, 0);
  with inserted as (
    insert into pgflow.runs as r (created_at, run_id, flow_version, priority, forced_priority, id_is_ahead, flow_slug,
      idempotency_key, owner, tags, input, remaining_steps, status)
    select v_now, u.run_id, v_flow.flow_version, v_priority,
      _start_runs.priority, u.run_id >= v_later, v_flow.flow_slug, u.idempotency_key, v_owner,
      coalesce(_start_runs.tags, '{}'), coalesce(u.input, 'null'), v_flow.counted_steps, 'running'
    -- A key that another transaction is inserting is waited for: in the order of the keys, so not in a circle.
    from (
      select * from unnest(_start_runs.run_ids, _start_runs.inputs, _start_runs.idempotency_keys)
        with ordinality u (run_id, input, idempotency_key, ordinality)
      order by u.idempotency_key, u.ordinality) u
    on conflict do nothing
    returning r.run_id
  )
  select array_agg(i.run_id order by i.run_id) into _start_runs.started from inserted i;
  if _start_runs.started is null then
    return;
  end if;

  with written as (
    insert into pgflow.run_steps (run_id, step_id, queue_id, step_slug, remaining_deps, started_at, status)
    select u.run_id, s.step_id,
      coalesce(q.queue_id, pgflow._queue_id(s.executor, coalesce(_start_runs.priority, s.priority))),
      s.step_slug, s.dep_count, case when s.dep_count = 0 and s.is_plain and v_not_before is null then v_now end,
      case when s.dep_count = 0 and s.is_plain and v_not_before is null then 'running' else 'pending' end
    from unnest(_start_runs.started) with ordinality u (run_id, ordinality), pgflow.steps s
      left join pgflow.queues q on q.executor = s.executor and q.priority = coalesce(_start_runs.priority, s.priority)
    where s.flow_slug = v_flow.flow_slug and s.flow_version = v_flow.flow_version
    -- The steps of a run side by side: a wave of claims then spreads over pages that have room (WAL of a chained step 1441 -> 1322 B).
    order by u.ordinality
    returning run_id, queue_id, step_id, remaining_deps, status
  ), queued as (
    insert into pgflow.ready_tasks (xid, run_id, queue_id, step_id, task_index)
    select v_xid, w.run_id, w.queue_id, w.step_id, -1 from written w where w.status = 'running'
    returning 1
  )
  select array_agg(w.run_id) as run_ids, array_agg(w.step_id) as step_ids, (select count(*) from queued) as queued into v_waiting
  from written w where w.remaining_deps = 0 and w.status = 'pending';
  _start_runs.may_have_ended := v_waiting.run_ids is not null;
  if _start_runs.may_have_ended then
    v_next := pgflow._start_steps(v_waiting.run_ids, v_waiting.step_ids, v_not_before, v_now);
    perform pgflow._carry_on(v_next.ended_runs, v_next.ended_steps, v_next.ended_cascades, v_next.failed_runs, v_now);
  end if;
end
$$;

comment on function pgflow._start_runs(text, jsonb[], uuid[], int, text[], int, timestamptz, jsonb) is
  'Write runs with these ids, ascending, and start their root steps. Returns the version taken, the ids that were new (the others met an existing run id or idempotency key), and whether some may have ended already.';
