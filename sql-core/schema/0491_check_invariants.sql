create function pgflow.check_invariants(run_id uuid default null)
  returns table (invariant text, violating_run uuid, step_slug text, task_index int, details text)
language sql stable security definer
set search_path to pg_catalog, pg_temp
-- Every join here is over whole tables, whose sizes nobody may have told the planner.
set enable_nestloop to off
set jit to off
as $$
  with states as (
    select t.*, s.step_type, s.executor, s.is_counted, r.status as run_status
    from pgflow.run_steps t join pgflow.steps s on s.step_id = t.step_id join pgflow.runs r on r.run_id = t.run_id
    where check_invariants.run_id is null or t.run_id = check_invariants.run_id
  ), tasks as (
    select k.*, r.status as run_status, p.paused_at, st.status as step_status
    from pgflow._tasks k join pgflow.runs r on r.run_id = k.run_id left join pgflow.paused_runs p on p.run_id = k.run_id
      join pgflow.run_steps st on st.run_id = k.run_id and st.step_slug = k.step_slug
    where check_invariants.run_id is null or k.run_id = check_invariants.run_id
  ), timed as (
    select t.kind, u.run_id, u.step_id, u.ready_index, min(t.due_at) as due_at
    from pgflow.timers t, unnest(t.run_ids, t.step_ids, t.task_indexes) u (run_id, step_id, ready_index)
    group by 1, 2, 3, 4
  ), entries as (
    select e.run_id, e.step_id, e.task_index, e.queue_id from pgflow.ready_tasks e group by 1, 2, 3, 4
  )
  select 'a run has a status of runs, an end exactly when it ended, and no negative count', r.run_id, null::text, null::int,
    format('%s, %s, %s steps left', r.status, coalesce(r.finished_at::text, 'no end'), r.remaining_steps)
  from pgflow.runs r
  where (check_invariants.run_id is null or r.run_id = check_invariants.run_id)
    and (r.status not in ('running', 'completed', 'failed', 'cancelled') or (r.status = 'running') <> (r.finished_at is null)
      or r.remaining_steps < 0)
  union all
  select 'a step has a status of steps, an end exactly when it ended, and a reason exactly when it was skipped', s.run_id, s.step_slug, null,
    format('%s, %s, %s', s.status, coalesce(s.finished_at::text, 'no end'), coalesce(s.skip_reason, 'no reason'))
  from states s
  where s.status not in ('pending', 'running', 'completed', 'failed', 'skipped', 'cancelled')
    or (s.status in ('pending', 'running')) <> (s.finished_at is null) or (s.status = 'skipped') <> (s.skip_reason is not null)
  union all
  select 'a map task has an end of tasks, at a time exactly when it ended', m.run_id, m.step_slug, m.task_index,
    format('%s, %s', coalesce(m.end_status, 'no end'), coalesce(m.finished_at::text, 'no time'))
  from pgflow.map_tasks m
  where (check_invariants.run_id is null or m.run_id = check_invariants.run_id)
    and (m.end_status not in ('completed', 'failed', 'cancelled') or (m.end_status is null) <> (m.finished_at is null))
  union all
  select 'a counter of a map step is not negative', c.run_id, c.step_slug, null, c.remaining::text
  from pgflow.map_counters c
  where c.remaining < 0 and (check_invariants.run_id is null or c.run_id = check_invariants.run_id)
  union all
  select 'a terminal run has no live step', s.run_id, s.step_slug, null, format('run %s, step %s', s.run_status, s.status)
  from states s where s.run_status <> 'running' and s.status in ('pending', 'running')
  union all
  select 'a terminal step has no live task', t.run_id, t.step_slug, t.task_index, format('step %s, task %s', t.step_status, t.status)
  from tasks t where t.step_status not in ('pending', 'running') and t.is_live
  union all
  select 'remaining_steps counts the live counted steps of a running run', r.run_id, null, null,
    format('says %s, is %s of %s', r.remaining_steps, count(s.run_id) filter (where s.is_counted), count(s.run_id))
  from pgflow.runs r left join states s on s.run_id = r.run_id and s.status in ('pending', 'running')
  where r.status = 'running' and (check_invariants.run_id is null or r.run_id = check_invariants.run_id)
  group by r.run_id having r.remaining_steps <> count(s.run_id) filter (where s.is_counted) or r.remaining_steps = 0
  union all
  select 'remaining_deps counts the live dependencies of a pending step', s.run_id, s.step_slug, null,
    format('says %s, is %s', s.remaining_deps, count(p.run_id))
  from states s left join pgflow.deps d on d.step_id = s.step_id
    left join pgflow.run_steps p on p.run_id = s.run_id and p.step_slug = d.dep_slug and p.status in ('pending', 'running')
  where s.status = 'pending'
  group by s.run_id, s.step_slug, s.remaining_deps having s.remaining_deps <> count(p.run_id) or count(p.run_id) = 0
  union all
  select 'a started step has all its dependencies completed or skipped', s.run_id, s.step_slug, null,
    format('%s is %s', p.step_slug, p.status)
  from states s join pgflow.deps d on d.step_id = s.step_id
    join pgflow.run_steps p on p.run_id = s.run_id and p.step_slug = d.dep_slug
  where s.status in ('running', 'completed', 'failed') and p.status not in ('completed', 'skipped')
  union all
  select 'a map step has as many tasks as items', s.run_id, s.step_slug, null, format('%s of %s', count(m.run_id), s.task_count)
  from states s left join pgflow.map_tasks m on m.run_id = s.run_id and m.step_slug = s.step_slug
  where s.step_type = 'map' and s.status in ('running', 'completed')
  group by s.run_id, s.step_slug, s.task_count having count(m.run_id) is distinct from s.task_count
  union all
  select 'the counters of a running map step count its live tasks', s.run_id, s.step_slug, null, format('%s, not %s', coalesce(c.remaining, 0), coalesce(m.live, 0))
  from states s
    left join (select c.run_id, c.step_slug, sum(c.remaining) as remaining from pgflow.map_counters c group by 1, 2) c
      on c.run_id = s.run_id and c.step_slug = s.step_slug
    left join (select m.run_id, m.step_slug, count(*) as live from pgflow.map_tasks m where m.end_status is null group by 1, 2) m
      on m.run_id = s.run_id and m.step_slug = s.step_slug
  where s.step_type = 'map' and s.status = 'running' and (c.remaining is distinct from m.live or m.live is null)
  union all
  select 'only running runs are paused', p.run_id, null, null, r.status
  from pgflow.paused_runs p left join pgflow.runs r on r.run_id = p.run_id
  where r.status is distinct from 'running' and (check_invariants.run_id is null or p.run_id = check_invariants.run_id)
  union all
  select 'a completed task has an output', t.run_id, t.step_slug, t.task_index, null
  from tasks t where t.status = 'completed' and t.output is null
  union all
  select 'a queued task has an entry that will be followed: ready, parked, or a timer no later than its time',
    t.run_id, t.step_slug, t.task_index, t.visible_at::text
  from tasks t
    left join entries e on e.queue_id = t.queue_id and e.run_id = t.run_id and e.step_id = t.step_id and e.task_index = t.ready_index
    left join pgflow.parked_tasks p on p.run_id = t.run_id and p.step_id = t.step_id and p.task_index = t.ready_index
    left join timed d on d.kind = 'delay' and d.run_id = t.run_id and d.step_id = t.step_id and d.ready_index = t.ready_index
  where t.status = 'queued' and e.run_id is null and (p.run_id is null or t.paused_at is null)
    and (d.run_id is null or d.due_at > t.visible_at)
  union all
  select 'a live lease has a timer', t.run_id, t.step_slug, t.task_index, t.lease_expires_at::text
  from tasks t
    left join timed d on d.kind = 'lease' and d.run_id = t.run_id and d.step_id = t.step_id and d.ready_index = t.ready_index
  where t.status in ('claimed', 'running') and d.run_id is null
  union all
  select 'a claimed task that has not started is noted as launched', t.run_id, t.step_slug, t.task_index, t.external_id
  from tasks t
    left join pgflow.launches l on l.run_id = t.run_id and l.step_slug = t.step_slug and l.task_index = t.task_index and l.attempt = t.attempt
  where t.status = 'claimed' and l.run_id is null
  union all
  select 'a leased task has a token and an attempt', t.run_id, t.step_slug, t.task_index, null
  from tasks t where t.status in ('claimed', 'running') and (t.token_hash is null or t.attempt = 0)
  union all
  select 'no attempt of a task that completed is recorded as its end', a.run_id, a.step_slug, a.task_index,
    format('attempt %s %s', a.attempt, a.outcome)
  from pgflow.step_task_attempts a join tasks t on t.run_id = a.run_id and t.step_slug = a.step_slug and t.task_index = a.task_index
  where t.status = 'completed' and a.attempt = t.attempt and a.outcome <> 'late'
$$;

comment on function pgflow.check_invariants(uuid) is
  'One row a violation of what must always hold, for one run or all; none is as it should be. Reads whole tables: for tests and for doubt.';
