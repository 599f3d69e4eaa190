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
