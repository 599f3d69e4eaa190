-- Rows are written once, and only when something went wrong: the usual settings.
create table pgflow.step_task_attempts (
  run_id uuid not null,
  step_slug text not null,
  task_index int not null,
  attempt int not null,
  outcome text not null,
  ended_by text not null,
  error jsonb,
  worker_id text,
  external_id text,
  started_at timestamptz,
  ended_at timestamptz not null,
  token_hash bytea,
  log_tail text,
  constraint step_task_attempts_pkey primary key (run_id, step_slug, task_index, attempt),
  constraint attempt_outcome_is_known
    check (outcome in ('failed', 'timed_out', 'lost', 'launch_failed', 'released', 'cancelled', 'late')),
  constraint attempt_ended_by_is_known check (ended_by in ('complete', 'fail', 'release', 'launch', 'sweep', 'close'))
);

comment on table pgflow.step_task_attempts is 'Every ended attempt that did not complete its task.';
comment on column pgflow.step_task_attempts.ended_by is 'The verb that ended the attempt: the same verb again is a duplicate, any other is stale.';
