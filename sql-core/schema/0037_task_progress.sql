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
