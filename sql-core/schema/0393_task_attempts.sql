create view pgflow.task_attempts with (security_invoker) as
select a.run_id, a.step_slug, a.task_index, a.attempt, a.outcome, a.error, a.worker_id, a.external_id, a.started_at, a.ended_at, a.log_tail
from pgflow.step_task_attempts a
union all
select t.run_id, t.step_slug, t.task_index, t.attempt, t.status, null, t.worker_id, t.external_id, t.started_at, t.finished_at, l.log_tail
from pgflow.step_tasks t
  left join pgflow.completed_task_logs l
    on l.run_id = t.run_id and l.step_slug = t.step_slug and l.task_index = t.task_index and l.attempt = t.attempt
where t.attempt > 0 and t.status in ('claimed', 'running', 'completed')
  and not exists (
    select from pgflow.step_task_attempts a
    where a.run_id = t.run_id and a.step_slug = t.step_slug and a.task_index = t.task_index and a.attempt = t.attempt)
union all
select a.run_id, a.step_slug, a.task_index, a.attempt, 'completed', null, a.worker_id, a.external_id, a.started_at, a.ended_at, l.log_tail
from pgflow.superseded_attempts a
  left join pgflow.completed_task_logs l
    on l.run_id = a.run_id and l.step_slug = a.step_slug and l.task_index = a.task_index and l.attempt = a.attempt;

comment on view pgflow.task_attempts is 'Every attempt: live and completed ones by status, the others by outcome. A late one was declared lost and reported after all.';
comment on column pgflow.task_attempts.run_id is 'The run.';
comment on column pgflow.task_attempts.step_slug is 'The step.';
comment on column pgflow.task_attempts.task_index is 'Index of the map item; 0 for a single step.';
comment on column pgflow.task_attempts.attempt is 'Number of the attempt, from 1.';
comment on column pgflow.task_attempts.outcome is 'claimed, running, completed, or how else it ended: failed, timed_out, lost, launch_failed, released, cancelled, late.';
comment on column pgflow.task_attempts.error is 'Why it did not complete.';
comment on column pgflow.task_attempts.worker_id is 'Who claimed it.';
comment on column pgflow.task_attempts.external_id is 'How the executor names it.';
comment on column pgflow.task_attempts.started_at is 'When it began; null if it has not, or never did.';
comment on column pgflow.task_attempts.ended_at is 'When it ended; null while it lives.';
comment on column pgflow.task_attempts.log_tail is 'The end of what it wrote to its standard output and error.';
