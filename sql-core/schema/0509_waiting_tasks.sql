-- The oldest entries of each queue and of the delayed ones: a sample, so that looking stays cheap.
create view pgflow._waiting_tasks as
with delays as (
  select t.run_ids, t.step_ids, t.task_indexes
  from pgflow.timers t
  where t.kind = 'delay'
  order by t.due_at, t.seq
  limit 200
),

hints as (
  select u.run_id, u.step_id, u.task_index
  from delays d, unnest(d.run_ids, d.step_ids, d.task_indexes) u (run_id, step_id, task_index)
  union
  select e.run_id, e.step_id, e.task_index
  from pgflow.queues q
    cross join lateral (
      select x.run_id, x.step_id, x.task_index
      from pgflow.ready_tasks x
      where x.queue_id = q.queue_id and x.xid >= q.low_xid
      order by x.xid, x.seq
      limit 500) e
)

select s.flow_slug, s.executor, s.handler, t.step_slug, t.attempt, t.launch_failures, t.visible_at, t.queued_at, t.error
from hints h
  join pgflow.steps s on s.step_id = h.step_id
  join pgflow._tasks t on t.run_id = h.run_id and t.step_slug = s.step_slug and t.ready_index = h.task_index
where t.status = 'queued';

comment on view pgflow._waiting_tasks is 'The queued tasks that come next, and those delayed for the shortest time: what the doctor looks at.';
