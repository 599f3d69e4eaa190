create table pgflow.superseded_attempts (
  run_id uuid not null,
  step_slug text not null,
  task_index int not null,
  attempt int not null,
  worker_id text,
  external_id text,
  started_at timestamptz,
  ended_at timestamptz not null,
  token_hash bytea,
  constraint superseded_attempts_pkey primary key (run_id, step_slug, task_index, attempt)
);

comment on table pgflow.superseded_attempts is
  'Attempts that completed their task before retry_run had it run again: their row in run_steps or map_tasks is that of later ones.';
comment on column pgflow.superseded_attempts.run_id is 'The run.';
comment on column pgflow.superseded_attempts.step_slug is 'The step.';
comment on column pgflow.superseded_attempts.task_index is 'Index of the map item; 0 for a single step.';
comment on column pgflow.superseded_attempts.attempt is 'Number of the attempt that completed.';
comment on column pgflow.superseded_attempts.worker_id is 'Who had claimed it.';
comment on column pgflow.superseded_attempts.external_id is 'How the executor named it.';
comment on column pgflow.superseded_attempts.started_at is 'When it began.';
comment on column pgflow.superseded_attempts.ended_at is 'When it completed.';
comment on column pgflow.superseded_attempts.token_hash is 'By which a repeated report is known as a duplicate.';
