create view pgflow._doctor_overdue_timers as
-- Bounded: each timer names hundreds of tasks.
with overdue as (
  select t.due_at, t.executor, t.run_ids, t.step_ids, t.task_indexes
  from pgflow.timers t
  where t.due_at < pgflow.clock() - interval '1 minute'
  order by t.due_at
  limit 1000
)

-- A timer stays until it is due, whether its tasks have ended or not: an idle installation leaves some behind.
select 'error' as severity, format('executor %s', t.executor) as subject,
  format('%s timers are overdue, the first since %s: lost tasks are not run again, delayed ones not started', count(*),
    date_trunc('second', min(t.due_at))) as finding,
  'start `pgflow dispatch`, or let pg_cron call it every minute: select pgflow.maintain();' as mend
from overdue t
where not exists (
  select from pgflow.sweep_marks m
  where m.lease_grace_until > pgflow.clock())
  and exists (select from pgflow._live_tasks(t.run_ids, t.step_ids, t.task_indexes))
group by t.executor;

comment on view pgflow._doctor_overdue_timers is
  'Leases and delays of living tasks that ended a minute ago and nobody followed: no dispatcher runs.';
