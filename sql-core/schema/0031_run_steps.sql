-- Column order: stable, changed at the start, changed by a claim, changed at the end (see runs).
-- fillfactor (`benchmarks.settings run_steps`): HOT updates 23 % at 100, 74 % at 50, 95 % at 35, 100 % at 25, where the table is 22 % larger;
-- WAL a task 1641, 1414, 1300, 1276 B. Vacuum at 5 % dead rows instead of 20 %: half the dead rows, no more WAL.
create table pgflow.run_steps (
  run_id uuid not null,
  step_id int not null,
  queue_id int not null,
  step_slug text not null,
  remaining_deps int not null,
  started_at timestamptz,
  task_count int,
  attempt int not null default 0,
  failures int not null default 0,
  launch_failures int not null default 0,
  failed_tasks int,
  task_started_at timestamptz,
  lease_expires_at timestamptz,
  visible_at timestamptz,
  token_hash bytea,
  worker_id text,
  external_id text,
  instance_id text,
  finished_at timestamptz,
  status text not null,
  skip_reason text,
  output jsonb,
  error jsonb,
  constraint run_steps_pkey primary key (run_id, step_slug)
) with (fillfactor = 35, autovacuum_vacuum_scale_factor = 0.05);

comment on table pgflow.run_steps is 'One row a step of a run; for a single step also its only task. Readers use the views step_states and step_tasks.';
comment on column pgflow.run_steps.queue_id is 'Where tasks of this step queue: fixed when the run starts, from executor and priority.';
comment on column pgflow.run_steps.task_count is 'Items of a map step; null before it starts and for single steps.';
comment on column pgflow.run_steps.attempt is 'Of the single task; of a map step: the number that attempts of new items go on from.';
comment on column pgflow.run_steps.failed_tasks is 'Items of a map step that failed for good.';
comment on column pgflow.run_steps.lease_expires_at is 'Of the single task: null means queued.';
comment on column pgflow.run_steps.task_started_at is 'Of the single task: null with a lease means claimed but not started.';
comment on column pgflow.run_steps.token_hash is 'First 16 bytes of the SHA-256 of the latest attempt token, while that attempt may still report.';
comment on column pgflow.run_steps.run_id is 'The run.';
comment on column pgflow.run_steps.step_id is 'The step in the definition.';
comment on column pgflow.run_steps.step_slug is 'Its name.';
comment on column pgflow.run_steps.remaining_deps is 'Dependencies that have not ended. The step starts when it reaches 0.';
comment on column pgflow.run_steps.started_at is 'When the step started; null while it is pending. For a single step also when its task was queued.';
comment on column pgflow.run_steps.failures is 'Of the single task: attempts that failed, timed out or were lost since the run was last reopened.';
comment on column pgflow.run_steps.launch_failures is 'Of the single task: launches that came to nothing since then.';
comment on column pgflow.run_steps.visible_at is 'Of the single task: not to be claimed before; null: as soon as it is queued.';
comment on column pgflow.run_steps.worker_id is 'Of the single task: who claimed its latest attempt.';
comment on column pgflow.run_steps.external_id is 'Of the single task: how the executor names its latest attempt.';
comment on column pgflow.run_steps.instance_id is 'Of the single task: who shook hands for its latest attempt.';
comment on column pgflow.run_steps.finished_at is 'When the step ended; null while it lives.';
comment on column pgflow.run_steps.status is 'pending, running, completed, failed, skipped or cancelled.';
comment on column pgflow.run_steps.skip_reason is 'condition_unmet, handler_failed or dependency_skipped.';
comment on column pgflow.run_steps.output is 'SQL NULL: none, or that of a map which nobody needed as a whole yet. JSON null: an output that is null.';
comment on column pgflow.run_steps.error is 'Of the step if it failed or was skipped for a failure; while its task lives, of the attempt before.';
