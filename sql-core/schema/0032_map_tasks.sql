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
  constraint map_tasks_pkey primary key (run_id, step_slug, task_index),
  constraint map_task_end_status_is_known check (end_status in ('completed', 'failed', 'cancelled')),
  constraint map_task_finished_at_matches_end check ((end_status is null) = (finished_at is null))
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

comment on table pgflow.map_tasks is 'One row an item of a map step. Same task columns as run_steps.';
comment on column pgflow.map_tasks.end_status is 'Null while the task lives; queued, claimed and running are told by the lease.';
