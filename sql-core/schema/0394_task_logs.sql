create view pgflow.task_logs with (security_invoker) as
select l.run_id, l.step_slug, l.task_index, l.attempt, l.log_tail, l.recorded_at
from pgflow.completed_task_logs l
union all
select a.run_id, a.step_slug, a.task_index, a.attempt, a.log_tail, a.ended_at
from pgflow.step_task_attempts a
where a.log_tail is not null;

comment on view pgflow.task_logs is 'The end of what each attempt wrote to its standard output and error.';
comment on column pgflow.task_logs.run_id is 'The run.';
comment on column pgflow.task_logs.step_slug is 'The step.';
comment on column pgflow.task_logs.task_index is 'Index of the map item; 0 for a single step.';
comment on column pgflow.task_logs.attempt is 'Number of the attempt.';
comment on column pgflow.task_logs.log_tail is 'The end of what it wrote to its standard output and error.';
comment on column pgflow.task_logs.recorded_at is 'When it was reported.';
