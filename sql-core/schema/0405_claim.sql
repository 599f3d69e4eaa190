create function pgflow._claim(executor text, worker_id text, max_tasks int, lease_seconds double precision, mode text, inputs text,
  flows text[] default null)
  returns table (run_id uuid, flow_slug text, flow_version int, step_slug text, step_type text, task_index int, attempt int,
    attempt_token uuid, handler text, params jsonb, input jsonb, executor_options jsonb, timeout_seconds double precision,
    heartbeat_timeout_seconds double precision, max_attempts int, failures int, priority int, external_id text,
    lease_expires_at timestamptz)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_left int := _claim.max_tasks;
  v_queues pgflow.queues[];
  v_queue pgflow.queues;
  v_popped record;
  v_asked int;
  v_first int;
  v_last int;
  v_back_runs uuid[];
  v_back_steps int[];
  v_back_indexes int[];
  v_count int;
  v_held bigint;
  v_is_due boolean;
  v_is_paused boolean;
  v_is_probe boolean;
  v_wanted int[];
begin
  if _claim.flows is not null then
    v_wanted := array(select s.step_id from pgflow.steps s where s.flow_slug = any (_claim.flows));
  end if;
  -- One look for all that a claim must know. A mark ahead of the clock: the clock went back. Every 30 s below the mark too, for
  -- transactions that committed late.
  select
    exists (
      select from pgflow.sweep_marks m
      where m.full_sweep_at not between v_now - interval '30 seconds' and v_now
        or exists (
          select from pgflow.timers t
          where t.due_at between case when m.timer_low > v_now then '-infinity' else m.timer_low end and v_now
          order by t.due_at limit 1)),
    exists (select from pgflow.executors e where e.executor = _claim.executor and e.paused_at is not null),
    array(select q from pgflow.queues q where q.executor = _claim.executor order by q.priority desc)
    into v_is_due, v_is_paused, v_queues;
  if v_is_due then
    perform pgflow._sweep_due(v_now);
  end if;
  if v_is_paused then
    perform from pgflow.executors e where e.executor = _claim.executor and e.probe_at <= v_now for no key update skip locked;
    v_is_probe := found;
    v_left := case when found then least(v_left, 1) else 0 end;
  end if;
  foreach v_queue in array v_queues loop
    v_held := 0;
    -- Bounded: entries whose rows somebody holds go behind the others, and the next claim gets on.
    while v_left > 0 and v_held < 1000 loop
      v_asked := v_left;
      if v_wanted is null then
        v_popped := pgflow._pop_ready(v_queue, v_left);
      else
        v_popped := pgflow._pop_ready_of_steps(v_queue, v_left, v_wanted);
      end if;
      exit when v_popped.run_ids is null;
      v_first := 1;
      -- Single tasks and items of maps are kept apart: neighbours of a kind are taken at a time, so that all come in their order.
      -- skip locked: a closer that holds a row may still roll back, and nobody waits for it. What is not taken is looked at again.
      -- Subqueries that lock, give a value or have an offset cannot be flattened: whatever the statistics, rows are found by their whole key.
      loop
        v_last := case when -1 = all (v_popped.task_indexes) or 0 <= all (v_popped.task_indexes) then cardinality(v_popped.task_indexes)
          else pgflow._last_of_kind(v_popped.task_indexes, v_first) end;
        if v_popped.task_indexes[v_first] = -1 then
          return query
          update pgflow.run_steps t
          set attempt = t.attempt + 1, token_hash = pgflow._token_hash(f.token), worker_id = _claim.worker_id, instance_id = null,
            task_started_at = case when _claim.mode = 'start' then v_now end,
            lease_expires_at = v_now + make_interval(secs =>
              case when _claim.mode = 'start' then _claim.lease_seconds else f.launch_timeout end),
            external_id = case when _claim.mode <> 'start' then pgflow._external_id(t.run_id, t.step_slug, 0, t.attempt + 1) end
          from (
            select x.place, gen_random_uuid() as token, s.*
            from unnest(v_popped.run_ids[v_first:v_last], v_popped.step_ids[v_first:v_last], v_popped.task_indexes[v_first:v_last])
                with ordinality u (run_id, step_id, task_index, ordinality)
              cross join lateral (
                select x.flow_slug, x.flow_version, x.step_slug, x.step_type, x.needs_run_input, x.dep_count, x.handler, x.params,
                  x.executor_options, x.timeout, x.launch_timeout, x.heartbeat_timeout, x.max_attempts
                from pgflow.steps x where x.step_id = u.step_id offset 0) s
              cross join lateral (
                select x.ctid as place from pgflow.run_steps x
                where x.run_id = u.run_id and x.step_slug = s.step_slug and x.status = 'running'
                  and x.lease_expires_at is null and (x.visible_at is null or x.visible_at <= v_now)
                for no key update of x skip locked) x
            where not exists (select from pgflow.paused_runs)
              or (select true from pgflow.paused_runs p where p.run_id = u.run_id) is null
            order by u.ordinality) f
          where t.ctid = f.place
          returning t.run_id, f.flow_slug, f.flow_version, t.step_slug, f.step_type, 0, t.attempt, f.token, f.handler, f.params,
            case when _claim.inputs <> 'none' then
              case when f.needs_run_input then jsonb_build_object('run', (select r.input from pgflow.runs r where r.run_id = t.run_id))
                else '{}' end
              || case when f.dep_count > 0 then (select d from pgflow._dependency_outputs(t.run_id, t.step_id) d) else '{}' end end,
            f.executor_options, f.timeout, f.heartbeat_timeout, f.max_attempts, t.failures, v_queue.priority, t.external_id,
            t.lease_expires_at;
        else
          return query
          update pgflow.map_tasks t
          set attempt = t.attempt + 1, token_hash = pgflow._token_hash(f.token), worker_id = _claim.worker_id, instance_id = null,
            task_started_at = case when _claim.mode = 'start' then v_now end,
            lease_expires_at = v_now + make_interval(secs =>
              case when _claim.mode = 'start' then _claim.lease_seconds else f.launch_timeout end),
            external_id = case when _claim.mode <> 'start' then pgflow._external_id(t.run_id, t.step_slug, t.task_index, t.attempt + 1) end
          from (
            select x.place, gen_random_uuid() as token, s.*
            from unnest(v_popped.run_ids[v_first:v_last], v_popped.step_ids[v_first:v_last], v_popped.task_indexes[v_first:v_last])
                with ordinality u (run_id, step_id, task_index, ordinality)
              cross join lateral (
                select x.flow_slug, x.flow_version, x.step_slug, x.step_type, x.needs_run_input, x.dep_count, x.handler, x.params,
                  x.executor_options, x.timeout, x.launch_timeout, x.heartbeat_timeout, x.max_attempts
                from pgflow.steps x where x.step_id = u.step_id offset 0) s
              cross join lateral (
                select x.ctid as place from pgflow.map_tasks x
                where x.run_id = u.run_id and x.step_slug = s.step_slug and x.task_index = u.task_index and x.end_status is null
                  and x.lease_expires_at is null and (x.visible_at is null or x.visible_at <= v_now)
                for no key update of x skip locked) x
            where not exists (select from pgflow.paused_runs)
              or (select true from pgflow.paused_runs p where p.run_id = u.run_id) is null
            order by u.ordinality) f
          where t.ctid = f.place
          returning t.run_id, f.flow_slug, f.flow_version, t.step_slug, f.step_type, t.task_index, t.attempt, f.token, f.handler, f.params,
            case when _claim.inputs <> 'none' then
              case when f.needs_run_input then jsonb_build_object('run', (select r.input from pgflow.runs r where r.run_id = t.run_id))
                else '{}' end || jsonb_build_object('item', t.input)
              || case when f.dep_count > 0 then (select d from pgflow._dependency_outputs(t.run_id, t.step_id) d) else '{}' end end,
            f.executor_options, f.timeout, f.heartbeat_timeout, f.max_attempts, t.failures, v_queue.priority, t.external_id,
            t.lease_expires_at;
        end if;
        get diagnostics v_count = row_count;
        v_left := v_left - v_count;
        v_first := v_last + 1;
        exit when v_last = cardinality(v_popped.task_indexes);
      end loop;
      v_count := v_asked - v_left;
      if v_count > 0 then
        insert into pgflow.timers (due_at, kind, executor, run_ids, step_ids, task_indexes)
        select v_now + make_interval(secs => min(case when _claim.mode = 'start' then least(_claim.lease_seconds, s.timeout) else s.launch_timeout end)),
          'lease', _claim.executor, v_popped.run_ids, v_popped.step_ids, v_popped.task_indexes
        from pgflow.steps s where s.step_id = any (v_popped.step_ids);
        if _claim.mode <> 'start' then
          perform pgflow._note_launches(_claim.executor, _claim.worker_id, v_popped.run_ids, v_popped.step_ids, v_popped.task_indexes, v_now);
        end if;
        if v_is_probe then
          -- How it goes decides; if nobody says, another is tried.
          update pgflow.executors e set probe_at = v_now + interval '1 minute' where e.executor = _claim.executor;
        end if;
      end if;
      if v_count < cardinality(v_popped.run_ids) then
        select v_held + count(*) into v_held
        from pgflow._live_tasks(v_popped.run_ids, v_popped.step_ids, v_popped.task_indexes) t where t.lease_expires_at is null;
        v_back_runs := v_back_runs || v_popped.run_ids;
        v_back_steps := v_back_steps || v_popped.step_ids;
        v_back_indexes := v_back_indexes || v_popped.task_indexes;
        if v_count = 0 then
          perform pgflow._drop_dead_ready(v_queue, 100);
        end if;
      end if;
      -- Fewer than asked for: no more are to be had.
      exit when cardinality(v_popped.run_ids) < v_asked;
    end loop;
  end loop;
  -- Only now, so that this call does not meet them again.
  if v_back_runs is not null then
    perform pgflow._put_back(v_back_runs, v_back_steps, v_back_indexes, v_now);
  end if;
  if v_is_due or v_back_runs is not null then
    perform pgflow._notify();
  end if;
end
$$;

comment on function pgflow._claim(text, text, int, double precision, text, text, text[]) is
  'The work of every verb that claims; with flows, of tasks of these flows alone.';
