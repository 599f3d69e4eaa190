create view pgflow._doctor_unclaimed_tasks as
with waiting as (
  select t.executor, min(coalesce(t.visible_at, t.queued_at)) as since
  from pgflow._waiting_tasks t
  group by t.executor
),

served as (
  select distinct t.executor
  from pgflow.timers t
  where t.kind = 'lease' and t.due_at > pgflow.clock()
)

select case when s.executor is null then 'error' else 'note' end as severity, format('executor %s', w.executor) as subject,
  case when s.executor is null then format('tasks wait since %s and nobody claims any', date_trunc('second', w.since))
    else format('tasks wait since %s: there is more work than it can do', date_trunc('second', w.since)) end as finding,
  case when s.executor is null then
      format('start `pgflow dispatch` with an executor named "%s" in its pgflow.toml, or see in its log why it claims none', w.executor)
    else 'start more dispatchers, or give this executor a higher concurrency' end as mend
from waiting w
  join pgflow.executors e on e.executor = w.executor
  left join served s on s.executor = w.executor
where e.paused_at is null and w.since < pgflow.clock() - interval '5 minutes';

comment on view pgflow._doctor_unclaimed_tasks is 'Executors whose ready tasks have waited for five minutes.';
