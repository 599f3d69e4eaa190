create table pgflow.completed_task_logs (
  run_id uuid not null,
  step_slug text not null,
  task_index int not null,
  attempt int not null,
  log_tail text not null,
  recorded_at timestamptz not null,
  constraint completed_task_logs_pkey primary key (run_id, step_slug, task_index, attempt)
);

comment on table pgflow.completed_task_logs is 'What completed attempts wrote; that of other attempts is on their row in step_task_attempts.';
comment on column pgflow.completed_task_logs.run_id is 'The run.';
comment on column pgflow.completed_task_logs.step_slug is 'The step.';
comment on column pgflow.completed_task_logs.task_index is 'Index of the map item; 0 for a single step.';
comment on column pgflow.completed_task_logs.attempt is 'Number of the attempt that completed.';
comment on column pgflow.completed_task_logs.log_tail is 'The end of what it wrote to its standard output and error.';
comment on column pgflow.completed_task_logs.recorded_at is 'When it was reported.';
