create view pgflow.live_task_logs with (security_invoker) as
select l.run_id, l.step_slug, l.task_index, l.attempt, l.log_tail, l.log_end, l.reported_at
from pgflow.live_logs l
  join pgflow.step_tasks t on t.run_id = l.run_id and t.step_slug = l.step_slug and t.task_index = l.task_index
where t.attempt = l.attempt and t.status in ('claimed', 'running');

comment on view pgflow.live_task_logs is
  'The end of what each attempt under way has written so far, where its executor tells. task_logs has what ended attempts wrote.';
comment on column pgflow.live_task_logs.run_id is 'The run.';
comment on column pgflow.live_task_logs.step_slug is 'The step.';
comment on column pgflow.live_task_logs.task_index is 'Index of the map item; 0 for a single step.';
comment on column pgflow.live_task_logs.attempt is 'Number of the attempt that wrote it.';
comment on column pgflow.live_task_logs.log_tail is 'The end of what it has written to its standard output and error.';
comment on column pgflow.live_task_logs.log_end is 'How many bytes it had written in all by then.';
comment on column pgflow.live_task_logs.reported_at is 'When that was reported.';
