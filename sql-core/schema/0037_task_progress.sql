create table pgflow.task_progress (
  run_id uuid not null,
  step_slug text not null,
  task_index int not null,
  attempt int not null,
  progress jsonb not null,
  reported_at timestamptz not null,
  constraint task_progress_pkey primary key (run_id, step_slug, task_index),
  constraint progress_is_an_object check (jsonb_typeof(progress) = 'object')
);

comment on table pgflow.task_progress is
  'How far the last attempt that said so has come: {done, total?, message?}. It counts only while that attempt is the current one.';
comment on column pgflow.task_progress.run_id is 'The run.';
comment on column pgflow.task_progress.step_slug is 'The step.';
comment on column pgflow.task_progress.task_index is 'Index of the map item; 0 for a single step.';
comment on column pgflow.task_progress.attempt is 'Number of the attempt that said so.';
comment on column pgflow.task_progress.progress is '{done, total?, message?}.';
comment on column pgflow.task_progress.reported_at is 'When it said so.';
