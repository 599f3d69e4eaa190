create unlogged table pgflow.live_logs (
  run_id uuid not null,
  step_slug text not null,
  task_index int not null,
  attempt int not null,
  log_tail text not null,
  log_end bigint not null,
  reported_at timestamptz not null,
  constraint live_logs_pkey primary key (run_id, step_slug, task_index)
);

comment on table pgflow.live_logs is
  'The end of what attempts have written so far. It counts only while that attempt is the current one. Unlogged: a crash of the server empties it.';
comment on column pgflow.live_logs.run_id is 'The run.';
comment on column pgflow.live_logs.step_slug is 'The step.';
comment on column pgflow.live_logs.task_index is 'Index of the map item; 0 for a single step.';
comment on column pgflow.live_logs.attempt is 'Number of the attempt that wrote it.';
comment on column pgflow.live_logs.log_tail is 'The end of what it has written to its standard output and error.';
comment on column pgflow.live_logs.log_end is 'How many bytes it had written in all by then.';
comment on column pgflow.live_logs.reported_at is 'When that was reported.';
