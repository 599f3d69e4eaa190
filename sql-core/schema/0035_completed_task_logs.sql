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
