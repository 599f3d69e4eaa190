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
comment on column pgflow.step_task_attempts.run_id is 'The run.';
comment on column pgflow.step_task_attempts.step_slug is 'The step.';
comment on column pgflow.step_task_attempts.task_index is 'Index of the map item; 0 for a single step.';
comment on column pgflow.step_task_attempts.attempt is 'Number of the attempt, from 1.';
comment on column pgflow.step_task_attempts.outcome is 'failed, timed_out, lost, launch_failed, released, cancelled, or late: lost, and reported after all.';
comment on column pgflow.step_task_attempts.error is 'What was reported, or what the engine says of it.';
comment on column pgflow.step_task_attempts.worker_id is 'Who had claimed it.';
comment on column pgflow.step_task_attempts.external_id is 'How the executor named it.';
comment on column pgflow.step_task_attempts.started_at is 'When it began; null if it never did.';
comment on column pgflow.step_task_attempts.ended_at is 'When it ended.';
comment on column pgflow.step_task_attempts.token_hash is 'By which a repeated report is known as a duplicate.';
comment on column pgflow.step_task_attempts.log_tail is 'The end of what it wrote to its standard output and error.';
