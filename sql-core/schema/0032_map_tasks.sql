-- fillfactor (`python -m benchmarks.settings map_tasks`): HOT updates 2 % at 100, 40 % at 70, 55 % at 50, 72 % at 35, where the table is 20 % larger;
-- WAL a task 1356, 1309, 1296, 1280 B. Items are many and stay, so size decides.
create table pgflow.map_tasks (
  run_id uuid not null,
  step_id int not null,
  task_index int not null,
  step_slug text not null,
  input jsonb not null,
  attempt int not null default 0,
  failures int not null default 0,
  launch_failures int not null default 0,
  task_started_at timestamptz,
  lease_expires_at timestamptz,
  visible_at timestamptz,
  token_hash bytea,
  worker_id text,
  external_id text,
  instance_id text,
  finished_at timestamptz,
  end_status text,
  output jsonb,
  error jsonb,
  constraint map_tasks_pkey primary key (run_id, step_slug, task_index)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

comment on table pgflow.map_tasks is 'One row an item of a map step. Same task columns as run_steps.';
comment on column pgflow.map_tasks.end_status is 'Null while the task lives; queued, claimed and running are told by the lease.';
comment on column pgflow.map_tasks.run_id is 'The run.';
comment on column pgflow.map_tasks.step_id is 'The step in the definition.';
comment on column pgflow.map_tasks.task_index is 'Place of the item, from 0.';
comment on column pgflow.map_tasks.step_slug is 'Name of the step.';
comment on column pgflow.map_tasks.input is 'The item.';
comment on column pgflow.map_tasks.attempt is 'Number of the latest attempt; 0 before the first.';
comment on column pgflow.map_tasks.failures is 'Attempts that failed, timed out or were lost since the run was last reopened.';
comment on column pgflow.map_tasks.launch_failures is 'Launches that came to nothing since then.';
comment on column pgflow.map_tasks.task_started_at is 'When the latest attempt began; null with a lease means claimed but not started.';
comment on column pgflow.map_tasks.lease_expires_at is 'When the attempt counts as lost; null means queued.';
comment on column pgflow.map_tasks.visible_at is 'Not to be claimed before; null: as soon as it is queued.';
comment on column pgflow.map_tasks.token_hash is 'As in run_steps.';
comment on column pgflow.map_tasks.worker_id is 'Who claimed the latest attempt.';
comment on column pgflow.map_tasks.external_id is 'How the executor names the latest attempt.';
comment on column pgflow.map_tasks.instance_id is 'Who shook hands for the latest attempt.';
comment on column pgflow.map_tasks.finished_at is 'When the task ended; null while it lives.';
comment on column pgflow.map_tasks.output is 'SQL NULL: none. JSON null: an output that is null.';
comment on column pgflow.map_tasks.error is 'Of the task if it failed; while it lives, of the attempt before.';
