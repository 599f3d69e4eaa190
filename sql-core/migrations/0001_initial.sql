-- Generated from ../schema by scripts/refresh.py: change the files there.

-- PGFlow: workflows whose definition, queue and state live in PostgreSQL.
--
-- Three groups of tables:
--   definition  flows, steps, deps                      what to do; immutable once versioned
--   state       runs, run_steps, map_tasks              what has happened; every fact is stored once
--   hints       ready_tasks, parked_tasks, timers,
--               launches                                where to look next; never a second state
-- A hint is written in the transaction that makes it true and may outlive its truth: whoever follows one
-- re-checks the state row.  check_invariants() proves that no state that needs a hint lacks it.
--
-- A single step's task is folded into its run_steps row; map_tasks holds map items only.
-- The contract for readers is the views step_states, step_tasks, task_attempts and task_logs.
--
-- Lock order (a transaction may skip levels, never go back up):
--   1. advisory: migration, then definition(flow), then use(flow): shared by starts, exclusive to delete; maintenance by try only
--   2. advisory: run locks, all of a call in one statement, ascending by hash, before any row.
--      Exclusive by default; shared only for reports of map items that cannot empty a counter slot.
--      Never upgraded: a shared holder that needs the exclusive lock undoes its subtransaction and starts again.
--   3. rows of run_steps in key order, then map_tasks in key order, then map_counters in key order, then runs, then launches,
--      then executors.
--      Ended runs are pruned, deleted and reopened by whoever has their row in runs, before any other row.
--      New rows that others may be making too are made in key order: runs by idempotency key. Queues are made by try.
--   Claims, heartbeats and the timer sweep take no run lock that they would have to wait for: rows by
--   `skip locked`, run locks by try.  They wait for nobody, so they cannot be part of a deadlock.
create schema pgflow;
comment on schema pgflow is 'PGFlow: workflow definitions, queue and state, and the functions that move them.';

create schema pgflow_locks;
comment on schema pgflow_locks is 'Advisory locks of PGFlow, all transaction-level, in the two-integer form (class, hash).';

create table pgflow.migrations (
  version int constraint migrations_pkey primary key,
  name text not null,
  checksum text not null,
  applied_at timestamptz not null default clock_timestamp(),
  constraint version_counts_from_one check (version >= 1)
);

comment on table pgflow.migrations is 'The migrations this database has; the last one is the version of its schema.';
comment on column pgflow.migrations.checksum is 'SHA-256 of the text that was applied, in hexadecimal.';
comment on column pgflow.migrations.version is '1, 2, 3...';
comment on column pgflow.migrations.name is 'What the migration is called.';
comment on column pgflow.migrations.applied_at is 'When it was applied here.';

create table pgflow.flows (
  flow_slug text not null,
  flow_version int not null,
  definition jsonb not null,
  definition_hash text not null,
  is_active boolean not null,
  counted_steps int not null,
  map_over_run text,
  created_at timestamptz not null,
  constraint flows_pkey primary key (flow_slug, flow_version),
  constraint flows_content_is_unique unique (flow_slug, definition_hash),
  constraint flow_version_is_positive check (flow_version > 0)
);

create unique index flows_one_active_version on pgflow.flows (flow_slug) where is_active;

comment on table pgflow.flows is 'One row a version of a flow. Versions never change; is_active names the one that new runs take.';
comment on column pgflow.flows.definition is 'The definition as given, normalised, without filled-in defaults.';
comment on column pgflow.flows.definition_hash is 'Hex SHA-256 of the normalised definition.';
comment on column pgflow.flows.flow_slug is 'Name of the flow.';
comment on column pgflow.flows.flow_version is '1, 2, 3... of this name.';
comment on column pgflow.flows.is_active is 'The version that new runs take unless they name another; one a name.';
comment on column pgflow.flows.counted_steps is 'How many of its steps are counted off a run (steps.is_counted).';
comment on column pgflow.flows.map_over_run is 'A step that maps over the flow input, which therefore has to be an array; null: none does.';
comment on column pgflow.flows.created_at is 'When this version was first defined.';
comment on index pgflow.flows_one_active_version is 'One active version a flow.';

create table pgflow.steps (
  step_id int generated always as identity,
  flow_slug text not null,
  flow_version int not null,
  step_slug text not null,
  step_index int not null,
  step_type text not null,
  map_over text,
  needs_run_input boolean not null,
  params jsonb,
  executor text not null,
  executor_options jsonb not null,
  handler text,
  max_attempts int not null,
  base_delay double precision not null,
  max_delay double precision not null,
  backoff text not null,
  jitter double precision not null,
  timeout double precision not null,
  start_delay double precision not null,
  launch_timeout double precision not null,
  heartbeat_timeout double precision,
  when_exhausted text not null,
  max_failures int not null,
  required_input jsonb,
  forbidden_input jsonb,
  when_unmet text not null,
  priority int not null,
  dep_count int not null,
  is_plain boolean not null,
  is_output boolean not null,
  needs_array boolean not null,
  input_fits boolean not null,
  output_fits boolean not null,
  is_last boolean not null,
  is_counted boolean not null,
  constraint steps_pkey primary key (step_id),
  constraint steps_slug_is_unique unique (flow_slug, flow_version, step_slug),
  constraint steps_belong_to_a_flow foreign key (flow_slug, flow_version) references pgflow.flows on delete cascade,
  constraint step_type_is_known check (step_type in ('single', 'map')),
  constraint map_over_is_for_maps check ((step_type = 'map') = (map_over is not null))
);

comment on table pgflow.steps is 'One row a step of a flow version, options filled in; times are seconds.';
comment on column pgflow.steps.is_plain is 'A single step without condition or delay whose input fits: it starts as soon as its dependencies ended.';
comment on column pgflow.steps.is_output is 'A leaf, or the step that the flow returns: its output is part of the run output.';
comment on column pgflow.steps.input_fits is 'Its inputs are so few that together they cannot be too large, whatever each is.';
comment on column pgflow.steps.output_fits is 'The output steps of its flow are so few that the run output cannot be too large.';
comment on column pgflow.steps.is_last is 'No step depends on it.';
comment on column pgflow.steps.is_counted is 'Its end is counted off its run: that of a last step, as all others end before; where a step may be skipped before all that it depends on ended (skip_cascade), that of every step.';
comment on column pgflow.steps.needs_array is 'A map step whose outputs somebody needs as one array when it completes.';
comment on column pgflow.steps.step_id is 'Names the step of this version in the engine''s own tables.';
comment on column pgflow.steps.flow_slug is 'The flow.';
comment on column pgflow.steps.flow_version is 'The version of the flow.';
comment on column pgflow.steps.step_slug is 'Name of the step, unique in its version.';
comment on column pgflow.steps.step_index is 'Place in the definition, from 0.';
comment on column pgflow.steps.step_type is 'single (one task) or map (one task an item).';
comment on column pgflow.steps.map_over is 'What a map step takes its items from: the slug of a dependency, or run for the flow input; null for single steps.';
comment on column pgflow.steps.needs_run_input is 'Whether each task is handed the whole flow input, under the key run.';
comment on column pgflow.steps.params is 'Which handler parameter takes which key of the input; null: the handler takes the whole object.';
comment on column pgflow.steps.executor is 'Who runs the tasks: the name under which dispatchers claim them.';
comment on column pgflow.steps.executor_options is 'What the executor is told of the step; its own form.';
comment on column pgflow.steps.handler is 'What to run, as its executor names it, mostly module:function.';
comment on column pgflow.steps.max_attempts is 'A task that failed, timed out or was lost so often is not tried again.';
comment on column pgflow.steps.base_delay is 'Delay before the second attempt.';
comment on column pgflow.steps.max_delay is 'Longest delay between attempts.';
comment on column pgflow.steps.backoff is 'exponential (each delay twice the one before) or fixed.';
comment on column pgflow.steps.jitter is 'Each delay is lengthened by a random share of up to this: 0.1 is ten percent.';
comment on column pgflow.steps.timeout is 'How long one attempt may take.';
comment on column pgflow.steps.start_delay is 'Delay of the first attempt after the step became ready.';
comment on column pgflow.steps.launch_timeout is 'How long a launched attempt has until its start_step_task.';
comment on column pgflow.steps.heartbeat_timeout is 'Longest silence of a started launched attempt; null: only the timeout counts.';
comment on column pgflow.steps.when_exhausted is 'What a task that failed for good does: fail (the run fails), skip (the step is skipped), skip_cascade (so are all that depend on it).';
comment on column pgflow.steps.max_failures is 'How many items of a map may fail for good before the step does.';
comment on column pgflow.steps.required_input is 'The step starts only if {run, dependency..} contains this; null: no condition.';
comment on column pgflow.steps.forbidden_input is 'The step starts only if {run, dependency..} does not contain this; null: no condition.';
comment on column pgflow.steps.when_unmet is 'What an unmet condition does: skip, skip_cascade or fail.';
comment on column pgflow.steps.priority is '-100 to 100; higher is claimed first. That of a run, if given, wins.';
comment on column pgflow.steps.dep_count is 'How many steps it depends on.';

create table pgflow.deps (
  flow_slug text not null,
  flow_version int not null,
  dep_slug text not null,
  step_slug text not null,
  dep_id int not null,
  step_id int not null,
  is_input boolean not null,
  is_plain boolean not null,
  constraint deps_pkey primary key (dep_id, step_id),
  constraint deps_dep_is_a_step foreign key (dep_id) references pgflow.steps on delete cascade,
  constraint deps_step_is_a_step foreign key (step_id) references pgflow.steps on delete cascade,
  constraint dep_is_not_itself check (dep_id <> step_id)
);

create unique index deps_by_step on pgflow.deps (step_id, dep_id);

comment on table pgflow.deps is 'Edges: step_slug waits for dep_slug.';
comment on column pgflow.deps.is_input is 'False for the source of a map: its items are handed out one by one, never as a whole.';
comment on column pgflow.deps.is_plain is 'steps.is_plain of the step that waits.';
comment on column pgflow.deps.flow_slug is 'The flow.';
comment on column pgflow.deps.flow_version is 'The version of the flow.';
comment on column pgflow.deps.dep_slug is 'The step that ends first.';
comment on column pgflow.deps.step_slug is 'The step that waits for it.';
comment on column pgflow.deps.dep_id is 'step_id of dep_slug.';
comment on column pgflow.deps.step_id is 'step_id of step_slug.';
comment on index pgflow.deps_by_step is 'What a step waits for; the primary key answers what waits for a step.';

-- Stable columns first, mutable ones last: the WAL of an update leaves out the common prefix.
-- No index and no predicate on a column that a step's progress changes: every update may stay HOT.
-- fillfactor (`python -m benchmarks.settings runs`): HOT updates 6 % at 100, 47 % at 80, 80 % at 60, 95 % at 45; heap +42 %, index -44 % against 100.
-- No check constraint on a hot table: each is parsed again by every statement that writes a row (18 % of the instructions of run_flow).
-- What they would say is part of check_invariants().
create table pgflow.runs (
  created_at timestamptz not null,
  run_id uuid not null,
  flow_version int not null,
  priority int not null,
  forced_priority int,
  id_is_ahead boolean not null,
  flow_slug text not null,
  idempotency_key text,
  owner text not null,
  tags jsonb not null,
  input jsonb not null,
  remaining_steps int not null,
  finished_at timestamptz,
  status text not null,
  output jsonb,
  error jsonb,
  constraint runs_pkey primary key (run_id)
) with (fillfactor = 45);

create unique index runs_idempotency_key on pgflow.runs (flow_slug, idempotency_key) where idempotency_key is not null;

create index runs_with_ids_ahead on pgflow.runs (created_at) where id_is_ahead;

comment on table pgflow.runs is 'One row a run of a flow.';
comment on column pgflow.runs.run_id is 'Time-ordered (UUID version 7) unless the caller gave one: neighbours in time are neighbours on the page.';
comment on column pgflow.runs.forced_priority is 'The priority given to run_flow, which overrides that of the steps.';
comment on column pgflow.runs.id_is_ahead is 'The caller gave an id that is later than the run: prune_runs finds it by created_at.';
comment on column pgflow.runs.remaining_steps is 'Counted steps (steps.is_counted) that have not ended. The run completes when it reaches 0.';
comment on column pgflow.runs.output is 'SQL NULL: none yet. JSON null: the run completed and no output step did.';
comment on column pgflow.runs.created_at is 'When the run was started.';
comment on column pgflow.runs.flow_version is 'The version that the run keeps to its end.';
comment on column pgflow.runs.priority is 'The one given to run_flow, else that of the flow.';
comment on column pgflow.runs.flow_slug is 'The flow.';
comment on column pgflow.runs.idempotency_key is 'Given by the caller: a second start of the flow with it returns this run.';
comment on column pgflow.runs.owner is 'Who started it: the subject of the request''s JWT, else the session''s user. Decides who may see and change it.';
comment on column pgflow.runs.tags is 'Given by the caller, for searching.';
comment on column pgflow.runs.input is 'The flow input.';
comment on column pgflow.runs.finished_at is 'When it ended; null while it runs.';
comment on column pgflow.runs.status is 'running, completed, failed or cancelled.';
comment on column pgflow.runs.error is 'Why it failed or was cancelled: {code, message, step_slug?, task_index?, attempt?, ..}.';
comment on index pgflow.runs_idempotency_key is 'One run a flow and key, as long as its row exists.';
comment on index pgflow.runs_with_ids_ahead is 'Lets prune_runs find by age what run_id does not order by age.';

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

-- Sixteen slots a map (slot = task_index % 16): completions of one map from several sessions
-- rarely meet on the same row. fillfactor (`python -m benchmarks.settings map_counters`): HOT updates 94 % at 100, all at 50.
create table pgflow.map_counters (
  run_id uuid not null,
  step_slug text not null,
  slot int not null,
  remaining int not null,
  constraint map_counters_pkey primary key (run_id, step_slug, slot)
) with (fillfactor = 50);

comment on table pgflow.map_counters is 'How many items of a map step have not ended, spread over slots.';
comment on column pgflow.map_counters.run_id is 'The run.';
comment on column pgflow.map_counters.step_slug is 'The map step.';
comment on column pgflow.map_counters.slot is '0 to 15.';
comment on column pgflow.map_counters.remaining is 'Items of this slot that have not ended.';

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

create table pgflow.completed_task_logs (
  run_id uuid not null,
  step_slug text not null,
  task_index int not null,
  attempt int not null,
  log_tail text not null,
  recorded_at timestamptz not null,
  constraint completed_task_logs_pkey primary key (run_id, step_slug, task_index, attempt)
);

comment on table pgflow.completed_task_logs is 'What completed attempts wrote; that of other attempts is on their row in step_task_attempts.';
comment on column pgflow.completed_task_logs.run_id is 'The run.';
comment on column pgflow.completed_task_logs.step_slug is 'The step.';
comment on column pgflow.completed_task_logs.task_index is 'Index of the map item; 0 for a single step.';
comment on column pgflow.completed_task_logs.attempt is 'Number of the attempt that completed.';
comment on column pgflow.completed_task_logs.log_tail is 'The end of what it wrote to its standard output and error.';
comment on column pgflow.completed_task_logs.recorded_at is 'When it was reported.';

-- A table of its own, nearly always empty: whether anything is paused is asked by every claim and every start of a step,
-- and must cost nothing whatever the size of runs.
create table pgflow.paused_runs (
  run_id uuid not null,
  paused_at timestamptz not null,
  constraint paused_runs_pkey primary key (run_id)
);

comment on table pgflow.paused_runs is 'Running runs of which nothing new is claimed.';
comment on column pgflow.paused_runs.run_id is 'The run.';
comment on column pgflow.paused_runs.paused_at is 'When it was paused.';

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

create table pgflow.executors (
  executor text not null,
  paused_at timestamptz,
  pause_reason text,
  probe_at timestamptz,
  refusals int not null default 0,
  constraint executors_pkey primary key (executor)
);

comment on table pgflow.executors is 'Executors that steps name, and whether claims for them are paused.';
comment on column pgflow.executors.executor is 'Name that steps give and dispatchers claim by.';
comment on column pgflow.executors.paused_at is 'Since when nothing is claimed for it; null: it is not paused.';
comment on column pgflow.executors.pause_reason is 'What whoever paused it said.';
comment on column pgflow.executors.probe_at is 'Of a pause by itself, because launches are refused: when the next is tried; null while an operator''s pause holds.';
comment on column pgflow.executors.refusals is 'How many launches in a row were refused for want of an operator.';

-- A few rows: their page has room for the next versions whatever the fillfactor (measured at 100 and 20: all updates HOT).
create table pgflow.queues (
  queue_id int generated always as identity,
  low_xid bigint not null default 0,
  low_seq bigint not null default 0,
  executor text not null,
  priority int not null,
  constraint queues_pkey primary key (queue_id),
  constraint queues_of_an_executor foreign key (executor) references pgflow.executors,
  constraint queue_is_one_executor_and_priority unique (executor, priority)
);

comment on table pgflow.queues is 'One row an executor and priority.';
comment on column pgflow.queues.low_xid is 'With low_seq the low-water mark: no visible entry of ready_tasks lies below (low_xid, low_seq), and none can appear. Keeps a claim from walking dead entries that a held snapshot keeps vacuum from removing.';
comment on column pgflow.queues.low_seq is 'How far the entries of transaction low_xid are taken: those of a large map or batch all have one xid.';
comment on column pgflow.queues.queue_id is 'Names the queue in the engine''s own tables.';
comment on column pgflow.queues.executor is 'The executor.';
comment on column pgflow.queues.priority is '-100 to 100; higher is claimed first.';

-- Every entry is inserted and deleted once. Vacuum at 1 % and without pauses (`python -m benchmarks.settings ready_tasks`): at most 2600 dead entries
-- under load; 4900 at 20 %, 5200 at 1 % with the usual pauses. No other setting made a difference.
create table pgflow.ready_tasks (
  xid bigint not null,
  seq bigint generated always as identity (cache 50),
  run_id uuid not null,
  queue_id int not null,
  step_id int not null,
  task_index int not null,
  constraint ready_tasks_pkey primary key (queue_id, xid, seq)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

comment on table pgflow.ready_tasks is 'Hints: a task that may be claimed now. First in, first out by the transaction that made it ready.';
comment on column pgflow.ready_tasks.xid is 'Transaction that inserted the entry.';
comment on column pgflow.ready_tasks.task_index is 'Index of the map item; -1 for the task of a single step.';
comment on column pgflow.ready_tasks.seq is 'Order within the transaction.';
comment on column pgflow.ready_tasks.run_id is 'The run.';
comment on column pgflow.ready_tasks.queue_id is 'The queue it waits in.';
comment on column pgflow.ready_tasks.step_id is 'The step in the definition.';

create table pgflow.parked_tasks (
  run_id uuid not null,
  step_id int not null,
  task_index int not null,
  constraint parked_tasks_pkey primary key (run_id, step_id, task_index)
);

comment on table pgflow.parked_tasks is 'Hints: ready tasks of paused runs, out of the way of claims until the run is resumed.';
comment on column pgflow.parked_tasks.run_id is 'The paused run.';
comment on column pgflow.parked_tasks.step_id is 'The step in the definition.';
comment on column pgflow.parked_tasks.task_index is 'Index of the map item; -1 for the task of a single step.';

-- Vacuumed as ready_tasks: every row is inserted and deleted once. (No difference measured: a timer lives longer than the workload.)
create table pgflow.timers (
  due_at timestamptz not null,
  seq bigint generated always as identity (cache 50),
  kind text not null,
  executor text not null,
  run_ids uuid[] not null,
  step_ids int[] not null,
  task_indexes int[] not null,
  constraint timers_pkey primary key (due_at, seq)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- The arrays of a hundred tasks are a little larger than a row may be without compression: the two that shrink to nothing are tried
-- first. (Compressing the uuids took 4 % of a claim.)
alter table pgflow.timers alter column run_ids set storage main;

comment on table pgflow.timers is 'Hints: look at these tasks then. One row a claimed batch (lease) or a delayed set of tasks (delay), of one executor.';
comment on column pgflow.timers.due_at is 'When to look.';
comment on column pgflow.timers.seq is 'Tells apart what is due at one time.';
comment on column pgflow.timers.kind is 'lease (an attempt may have to be ended) or delay (a task may have become ready).';
comment on column pgflow.timers.executor is 'Whose tasks they are: its dispatchers wake up for them.';
comment on column pgflow.timers.run_ids is 'Runs of the tasks, place by place as in the other two arrays.';
comment on column pgflow.timers.step_ids is 'Steps of the tasks in the definition.';
comment on column pgflow.timers.task_indexes is 'Indexes of map items; -1 for the task of a single step.';

create table pgflow.sweep_marks (
  only_row boolean not null default true,
  timer_low timestamptz not null default '-infinity',
  lease_grace_until timestamptz not null default '-infinity',
  full_sweep_at timestamptz not null default '-infinity',
  constraint sweep_marks_pkey primary key (only_row),
  constraint sweep_marks_has_one_row check (only_row)
);

insert into pgflow.sweep_marks default values;

comment on table pgflow.sweep_marks is 'Where the timer sweep stands.';
comment on column pgflow.sweep_marks.timer_low is 'Timers due before it were swept; those of transactions that committed later are caught by the next full sweep.';
comment on column pgflow.sweep_marks.full_sweep_at is 'When the timers below the mark were last looked at too.';
comment on column pgflow.sweep_marks.lease_grace_until is 'No lease is declared expired before: the dispatchers were cut off from the database.';
comment on column pgflow.sweep_marks.only_row is 'Keeps the table at one row.';

create table pgflow.settings (
  only_row boolean not null default true,
  retention interval,
  constraint settings_pkey primary key (only_row),
  constraint settings_has_one_row check (only_row)
);

insert into pgflow.settings default values;

comment on table pgflow.settings is 'What an operator decides for the whole database.';
comment on column pgflow.settings.retention is 'How long ended runs are kept; null: for ever.';
comment on column pgflow.settings.only_row is 'Keeps the table at one row.';

-- Rows are inserted by a claim, updated every few seconds while the attempt runs, and deleted: few, and all of them young.
create table pgflow.launches (
  run_id uuid not null,
  step_slug text not null,
  task_index int not null,
  attempt int not null,
  executor text not null,
  worker_id text not null,
  external_id text not null,
  claimed_at timestamptz not null,
  launch_deadline timestamptz not null,
  recorded_at timestamptz,
  look_at timestamptz not null,
  over_since timestamptz,
  cancels int not null default 0,
  handle jsonb,
  constraint launches_pkey primary key (run_id, step_slug, task_index, attempt)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

create index launches_by_look on pgflow.launches (executor, look_at);
create index launches_over on pgflow.launches (run_id, step_slug, task_index, attempt) where over_since is not null;

comment on table pgflow.launches is
  'Attempts that were handed on to another place, until it is known that nothing of them is left there: what to look at, or to cancel, when.';
comment on column pgflow.launches.run_id is 'Run of the attempt.';
comment on column pgflow.launches.step_slug is 'Step of the attempt.';
comment on column pgflow.launches.task_index is 'Index of its task.';
comment on column pgflow.launches.attempt is 'Its number.';
comment on column pgflow.launches.executor is 'Executor that it was handed to.';
comment on column pgflow.launches.worker_id is 'Dispatcher that claimed it; any other may look after it.';
comment on column pgflow.launches.external_id is 'Its name in the place of launch.';
comment on column pgflow.launches.claimed_at is 'When it was claimed.';
comment on column pgflow.launches.launch_deadline is 'Until when it must have started; no launch of it is made after that.';
comment on column pgflow.launches.recorded_at is 'When its launch was recorded as accepted or unknown; null: nobody has said how it went.';
comment on column pgflow.launches.look_at is 'When a dispatcher of the executor looks at it next, whichever comes first.';
comment on column pgflow.launches.over_since is 'Since when it is seen to be over there without having reported; null: it is not, or was heard of since.';
comment on column pgflow.launches.cancels is 'How often its end was carried to the place of launch: twice, since a cancel may overtake the launch.';
comment on column pgflow.launches.handle is 'What its executor calls it.';
comment on index pgflow.launches_by_look is 'Which launches of an executor are due.';
comment on index pgflow.launches_over is 'Which attempts a heartbeat shows to be alive after all: nearly always none.';

create table pgflow.worker_keys (
  key_id uuid not null,
  name text not null,
  token_hash bytea not null,
  executors text[] not null,
  flows text[],
  created_at timestamptz not null,
  created_by text not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  constraint worker_keys_pkey primary key (key_id),
  constraint worker_key_is_one_secret unique (token_hash)
);

comment on table pgflow.worker_keys is 'Credentials of workers that pull tasks without a database login of their own; the keys themselves are not stored.';
comment on column pgflow.worker_keys.token_hash is 'SHA-256 of the key. A key holds 244 random bits, so a slow hash would protect nothing more.';
comment on column pgflow.worker_keys.executors is 'Whose tasks the key may claim.';
comment on column pgflow.worker_keys.flows is 'Of which flows; null: of all.';
comment on column pgflow.worker_keys.last_used_at is 'When it last claimed, to the minute: a claim does not write each time.';
comment on column pgflow.worker_keys.key_id is 'Names the key where it is listed and revoked.';
comment on column pgflow.worker_keys.name is 'Who uses it, for people.';
comment on column pgflow.worker_keys.created_at is 'When it was made.';
comment on column pgflow.worker_keys.created_by is 'Who made it: a login, or the subject of its claims.';
comment on column pgflow.worker_keys.expires_at is 'From when on it claims nothing; null: never.';
comment on column pgflow.worker_keys.revoked_at is 'Since when it claims nothing; null: it was not revoked.';

create table pgflow.open_flows (
  flow_slug text not null,
  role_name text not null,
  constraint open_flows_pkey primary key (flow_slug, role_name)
);

comment on table pgflow.open_flows is 'Which flows the users of an application may start. May be written before the flow is deployed.';
comment on column pgflow.open_flows.flow_slug is 'The flow.';
comment on column pgflow.open_flows.role_name is 'A database role: whoever has its rights may start the flow.';

create function pgflow.clock() returns timestamptz
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_fake text := current_setting('pgflow.fake_now', true);
begin
  -- Two ifs: the common one is a plain expression, the second a query.
  if v_fake <> '' then
    if pg_has_role(session_user, (select n.nspowner from pg_catalog.pg_namespace n where n.nspname = 'pgflow'), 'usage') then
      return v_fake::timestamptz;
    end if;
  end if;
  return clock_timestamp();
end
$$;

comment on function pgflow.clock() is 'The one clock of the engine: the time of day, or pgflow.fake_now when the owner of the schema set it.';

create function pgflow.schema_version() returns int
language sql immutable parallel safe
set search_path to pg_catalog, pg_temp
as 'select 1';

comment on function pgflow.schema_version() is 'Version of the installed schema; clients refuse one that they do not know.';

-- Without a pinned search_path, so that the planner inlines it into hot statements; every name in it is qualified.
create function pgflow._token_hash(token uuid) returns bytea
language sql immutable strict parallel safe
as 'select pg_catalog.substr(pg_catalog.sha256(pg_catalog.uuid_send(token)), 1, 16)';

comment on function pgflow._token_hash(uuid) is 'What is stored of an attempt token: the first 16 bytes of its SHA-256.';

-- UUID version 7 (RFC 9562): 48 bits of milliseconds, then random. PostgreSQL has uuidv7() from 18 on only.
-- Setting bits 52 and 53 turns the version nibble of a version 4 UUID into 7.
-- Without a pinned search_path, so that the planner inlines it; every name in it is qualified.
create function pgflow._new_run_id() returns uuid
language sql volatile
as $$
  select pg_catalog.encode(
    pg_catalog.set_bit(
      pg_catalog.set_bit(
        pg_catalog.overlay(
          pg_catalog.uuid_send(pg_catalog.gen_random_uuid()),
          pg_catalog.substring(pg_catalog.int8send((extract(epoch from pg_catalog.clock_timestamp()) * 1000)::bigint), 3),
          1, 6),
        52, 1),
      53, 1),
    'hex')::uuid
$$;

comment on function pgflow._new_run_id() is 'A time-ordered random UUID (version 7).';

-- Without a pinned search_path, so that the planner inlines it; every name in it is qualified.
create function pgflow._low_mark(low_xid bigint) returns bigint
language sql stable
as $$
  select case when low_xid <= pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint then low_xid else 0 end
$$;

comment on function pgflow._low_mark(bigint) is
  'The low-water mark of a queue; 0 if it is from the future: the database was restored where transaction ids are lower.';

-- The one place of the limits; docs/reference/limits.md shows them to users. Sizes of values are those of jsonb in memory, which
-- pg_column_size tells without reading the value. PostgreSQL takes 268,435,455 bytes for one: a task input of the greatest size
-- still fits with its keys, run input and item.
-- Without a pinned search_path, so that the planner inlines it (as a constant).
create function pgflow._limit(name text) returns bigint
language sql immutable strict parallel safe
as $$
  select case name
    when 'run_input' then 16777216
    when 'task_output' then 16777216
    when 'map_items' then 100000
    when 'map_output' then 67108864
    when 'task_input' then 134217728
    when 'run_output' then 134217728
    when 'error' then 65536
    when 'log_tail' then 65536
    when 'tags' then 16384
    when 'name' then 1000
    when 'reason' then 4000
    when 'handle' then 8192
    when 'definition' then 4194304
    when 'steps' then 10000
  end
$$;

comment on function pgflow._limit(text) is 'What is too large: bytes of values, characters of texts, bytes of names, and counts.';

-- In memory or stored as it is, the size is known without reading the value; only a compressed one must be unpacked.
-- Without a pinned search_path, so that the planner inlines it; every name in it is qualified.
create function pgflow._size(value jsonb) returns bigint
language sql stable parallel safe
as $$
  select case when pg_catalog.pg_column_compression(value) is null then pg_catalog.pg_column_size(value)
    else pg_catalog.pg_column_size(pg_catalog.jsonb_build_array(value)) end
$$;

comment on function pgflow._size(jsonb) is 'Bytes of a value in memory.';

create function pgflow._too_large(what text, size bigint, most bigint, unit text default 'bytes') returns text
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  return format('%s has %s %s, more than the %s allowed: store the data elsewhere and pass a reference (a path, a key)',
    _too_large.what, _too_large.size, _too_large.unit, _too_large.most);
end
$$;

comment on function pgflow._too_large(text, bigint, bigint, text) is 'The message about something too large: its size, the limit and the mend.';

create function pgflow._check_name(argument text, name text) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if octet_length(_check_name.name) > pgflow._limit('name') then
    raise exception '% has % bytes, more than the % allowed', _check_name.argument, octet_length(_check_name.name), pgflow._limit('name')
      using errcode = 'PF007', hint = 'Give a shorter one.';
  end if;
end
$$;

comment on function pgflow._check_name(text, text) is 'PF007 naming the argument if a name is too long.';

-- Without a pinned search_path, so that the planner inlines it (and stable, as extract is: else it would not).
-- A body of this form has its names bound once, when it is created.
create function pgflow._run_id_at(moment timestamptz) returns uuid
language sql stable
return (
  lpad(to_hex((extract(epoch from least(greatest(_run_id_at.moment, 'epoch'), '9999-12-31 00:00:00+00')) * 1000)::bigint), 12, '0')
    || repeat('0', 20))::uuid;

comment on function pgflow._run_id_at(timestamptz) is 'The least version 7 run id of a moment; of null, the least of all.';

create function pgflow_locks.lock_runs(run_ids uuid[], shared boolean default false) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- One statement, ascending by hash: two calls over overlapping sets of runs cannot deadlock.
  if lock_runs.shared then
    perform pg_advisory_xact_lock_shared(7150104, h.hash)
    from (select distinct uuid_hash(u.run_id) as hash from unnest(lock_runs.run_ids) u (run_id) order by 1) h;
  else
    perform pg_advisory_xact_lock(7150104, h.hash)
    from (select distinct uuid_hash(u.run_id) as hash from unnest(lock_runs.run_ids) u (run_id) order by 1) h;
  end if;
end
$$;

comment on function pgflow_locks.lock_runs(uuid[], boolean) is 'Take the locks of these runs, ascending, until the transaction ends.';

create function pgflow_locks.try_lock_run(run_id uuid) returns boolean
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  return pg_try_advisory_xact_lock(7150104, uuid_hash(try_lock_run.run_id));
end
$$;

comment on function pgflow_locks.try_lock_run(uuid) is 'Take the exclusive lock of a run if nobody holds it.';

create function pgflow_locks.lock_definition(flow_slug text) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(7150102, hashtext(lock_definition.flow_slug));
end
$$;

comment on function pgflow_locks.lock_definition(text) is 'Serialise the definition of one flow.';

create function pgflow_locks.try_lock_maintenance() returns boolean
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  return pg_try_advisory_xact_lock(7150103, 0);
end
$$;

comment on function pgflow_locks.try_lock_maintenance() is 'Take the maintenance lock if nobody holds it: one pass at a time.';

create function pgflow_locks.lock_migration() returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(7150101, 0);
end
$$;

comment on function pgflow_locks.lock_migration() is 'Serialise migrations of the schema.';

create function pgflow_locks.use_flow(flow_slug text, exclusive boolean default false) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if use_flow.exclusive then
    perform pg_advisory_xact_lock(7150105, hashtext(use_flow.flow_slug));
  else
    perform pg_advisory_xact_lock_shared(7150105, hashtext(use_flow.flow_slug));
  end if;
end
$$;

comment on function pgflow_locks.use_flow(text, boolean) is 'Shared by whoever starts runs of a flow; exclusive to delete it.';

create function pgflow_locks.try_lock_queue(executor text, priority int) returns boolean
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  return pg_try_advisory_xact_lock(7150106, hashtext(format('%s %s', try_lock_queue.priority, try_lock_queue.executor)));
end
$$;

comment on function pgflow_locks.try_lock_queue(text, int) is 'Take the lock to make a queue if nobody is making it.';

create function pgflow._caller() returns text
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_claims text := current_setting('request.jwt.claims', true);
  v_subject text;
begin
  -- Two ifs: the common one is a plain expression.
  if coalesce(v_claims, '') = '' then
    return session_user;
  end if;
  begin
    if jsonb_typeof(v_claims::jsonb) <> 'object' then
      raise invalid_text_representation;
    end if;
    v_subject := nullif(v_claims::jsonb ->> 'sub', '');
  exception when data_exception then
    raise exception 'request.jwt.claims is not a JSON object' using errcode = 'PF008', hint = 'Set it to the claims of a token, or to nothing.';
  end;
  if v_subject is null then
    -- A login that passes its users in is nobody itself: each role that it takes is somebody else.
    return case when has_schema_privilege(session_user, 'pgflow', 'usage') then session_user else pgflow._effective_role() end;
  end if;
  -- Anybody may set the setting. It is believed of a login that has no rights here of its own and passes its users in by
  -- `set role`, as PostgREST does, and of those who may act for everybody anyway.
  if has_schema_privilege(session_user, 'pgflow', 'usage') and not pgflow._has_role(session_user, '{pgflow_owner}') then
    raise exception 'login "%" may not speak for "%"', session_user, v_subject using errcode = 'PF006',
      hint = format('Unset request.jwt.claims; or, if %I passes other users in, alter role %I noinherit, and set role before each call.',
        session_user, session_user);
  end if;
  return v_subject;
end
$$;

comment on function pgflow._caller() is
  'Who calls, as runs.owner has it: the subject of request.jwt.claims, or session_user (of claims without a subject, if that has no rights of its own, the role it took). PF006 if the login may not claim to be somebody else, PF008 if the claims are malformed.';

create function pgflow._has_role(login text, roles text[]) returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  -- By name: the roles may not exist.
  return exists (
      select from pg_namespace n
      where n.nspname = 'pgflow' and pg_has_role(_has_role.login, n.nspowner, 'usage'))
    or exists (
      select from pg_roles r
      where r.rolname = any (_has_role.roles) and pg_has_role(_has_role.login, r.oid, 'usage'));
end
$$;

comment on function pgflow._has_role(text, text[]) is 'Whether somebody owns the schema, is a superuser, or has the rights of one of these roles.';

create function pgflow._effective_role() returns text
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Not current_user: inside a verb that is the owner of the schema.
  return case when current_setting('role') = 'none' then session_user else current_setting('role') end;
end
$$;

comment on function pgflow._effective_role() is 'The role whose rights the caller has: that of `set role`, or the login.';

create function pgflow.readable_owner() returns text
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  return case when pgflow._has_role(pgflow._effective_role(), '{pgflow_owner,pgflow_dispatcher,pgflow_viewer}') then null
    else pgflow._caller() end;
end
$$;

comment on function pgflow.readable_owner() is 'Whose runs the caller may read: null means everybody''s. Row level security asks it once a query.';

create function pgflow._check_owner(owner text, what text, roles text[] default '{pgflow_owner}') returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Whose it is stays untold.
  if _check_owner.owner is distinct from pgflow._caller() and not pgflow._has_role(pgflow._effective_role(), _check_owner.roles) then
    raise exception '% belongs to another user than "%"', _check_owner.what, pgflow._caller() using errcode = 'PF006',
      hint = 'Connect as the user who started it, or as a member of pgflow_owner.';
  end if;
end
$$;

comment on function pgflow._check_owner(text, text, text[]) is
  'PF006 unless the caller owns it, owns the schema, or has one of the roles that are for everybody''s runs.';

create function pgflow._is_user() returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return not pgflow._has_role(pgflow._effective_role(), '{pgflow_owner,pgflow_dispatcher,pgflow_viewer,pgflow_client}');
end
$$;

comment on function pgflow._is_user() is
  'Whether the caller is a user of an application: somebody for whom only his own runs, and the flows that are open to him, exist.';

-- Without a pinned search_path, so that the planner inlines it; every name in it is qualified.
create function pgflow.live_status(lease_expires_at timestamptz, task_started_at timestamptz) returns text
language sql immutable parallel safe
as $$
  select case when lease_expires_at is null then 'queued' when task_started_at is null then 'claimed' else 'running' end
$$;

comment on function pgflow.live_status(timestamptz, timestamptz) is 'The status of a task that has not ended: the one place that says what queued, claimed and running mean.';

create function pgflow._check_run(run_id uuid, roles text[] default '{pgflow_owner}') returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_owner text;
  v_is_user boolean;
begin
  -- Before any lock: an owner never changes, and nobody holds up a run that is not theirs.
  select r.owner into v_owner from pgflow.runs r where r.run_id = _check_run.run_id;
  if v_owner = pgflow._caller() then
    return;
  end if;
  -- To a user the run of somebody else is not there; asked first, so that it takes as long to say of one as of the other.
  v_is_user := pgflow._is_user();
  if v_owner is null or v_is_user then
    raise exception 'no run %', coalesce(_check_run.run_id::text, 'null')
      using errcode = 'PF003', hint = 'Check the id and the database; runs that were pruned are gone.';
  end if;
  perform pgflow._check_owner(v_owner, format('run %s', _check_run.run_id), _check_run.roles);
end
$$;

comment on function pgflow._check_run(uuid, text[]) is
  'PF003 if there is no such run, or the caller is a user and it is another''s; else PF006 as _check_owner says.';

create function pgflow._check_flow_conditions(definition jsonb) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_problem text;
begin
  -- A step that lacks what is required would be skipped in every run; what is forbidden may be missing, but must exist.
  select format('flow "%s", step "%s": the required_input of the flow names "%s", which is neither "run" nor one of its deps',
      _check_flow_conditions.definition ->> 'flow_slug', s.value ->> 'step_slug', k.key)
    into v_problem
  from jsonb_array_elements(_check_flow_conditions.definition -> 'steps') s,
    jsonb_object_keys(_check_flow_conditions.definition -> 'options' -> 'required_input') k (key)
  where k.key <> 'run' and not coalesce(s.value -> 'options' ? 'required_input', false) and not coalesce(s.value -> 'deps' ? k.key, false)
  limit 1;
  if v_problem is null then
    select format('flow "%s": forbidden_input names "%s", which is neither "run" nor a step',
        _check_flow_conditions.definition ->> 'flow_slug', k.key)
      into v_problem
    from jsonb_object_keys(_check_flow_conditions.definition -> 'options' -> 'forbidden_input') k (key)
    where k.key <> 'run' and not exists (
      select from jsonb_array_elements(_check_flow_conditions.definition -> 'steps') s where s.value ->> 'step_slug' = k.key)
    limit 1;
  end if;
  if v_problem is not null then
    raise exception '%', v_problem using errcode = 'PF001', hint = 'Give the condition to the steps that it is for.';
  end if;
end
$$;

comment on function pgflow._check_flow_conditions(jsonb) is 'PF001 if a condition given for all steps names what they do not receive.';

create function pgflow._check_age(argument text, age interval) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if not coalesce(_check_age.age between interval '0' and interval '1000 years', false) then
    raise exception '% must be an interval between 0 and 1000 years, not %', _check_age.argument, coalesce(_check_age.age::text, 'null')
      using errcode = 'PF008';
  end if;
end
$$;

comment on function pgflow._check_age(text, interval) is 'PF008 naming the argument if it is no age that a run can have.';

create function pgflow._check_delay(argument text, seconds double precision) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Ten years, as in definitions; NaN and infinity are outside too.
  if not coalesce(_check_delay.seconds between 0 and 315360000, false) then
    raise exception '% must be between 0 and 315360000, not %', _check_delay.argument, coalesce(_check_delay.seconds::text, 'null')
      using errcode = 'PF008';
  end if;
end
$$;

comment on function pgflow._check_delay(text, double precision) is 'PF008 naming the argument if it is no delay.';

create function pgflow._queue_id(executor text, priority int) returns int
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_queue_id int;
begin
  select q.queue_id into v_queue_id from pgflow.queues q
  where q.executor = _queue_id.executor and q.priority = _queue_id.priority;
  if v_queue_id is null and not pgflow_locks.try_lock_queue(_queue_id.executor, _queue_id.priority) then
    -- Another transaction is the first to use this priority, and nobody waits for its end: the nearest queue will do this once.
    select q.queue_id into v_queue_id from pgflow.queues q
    where q.executor = _queue_id.executor
    order by q.priority > _queue_id.priority, abs(q.priority - _queue_id.priority) limit 1;
  end if;
  if v_queue_id is null then
    insert into pgflow.queues (executor, priority) values (_queue_id.executor, _queue_id.priority)
    on conflict on constraint queue_is_one_executor_and_priority do nothing;
    select q.queue_id into v_queue_id from pgflow.queues q
    where q.executor = _queue_id.executor and q.priority = _queue_id.priority;
  end if;
  return v_queue_id;
end
$$;

comment on function pgflow._queue_id(text, int) is
  'The queue of an executor and a priority, made if it is new; the nearest one if another transaction is making it.';

create function pgflow._number_problem(value jsonb, low numeric, high numeric, whole boolean) returns text
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if jsonb_typeof(_number_problem.value) <> 'number' then
    return 'must be a number';
  end if;
  if _number_problem.value::numeric not between _number_problem.low and _number_problem.high then
    return format('must be between %s and %s', _number_problem.low, _number_problem.high);
  end if;
  if _number_problem.whole and _number_problem.value::text !~ '^-?[0-9]+$' then
    return 'must be a whole number';
  end if;
  return null;
end
$$;

comment on function pgflow._number_problem(jsonb, numeric, numeric, boolean) is 'What is wrong with a number, or null.';

create function pgflow._check_slug(kind text, slug jsonb) returns text
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_slug text := _check_slug.slug #>> '{}';
begin
  if jsonb_typeof(_check_slug.slug) is distinct from 'string'
     or v_slug !~ '^[a-zA-Z_][a-zA-Z0-9_]*$' or length(v_slug) > 128 or v_slug in ('run', 'item') then
    raise exception '% % is not a slug', _check_slug.kind, coalesce(_check_slug.slug::text, 'null')
      using errcode = 'PF001',
        hint = 'Use letters, digits and _, not starting with a digit, at most 128 characters; "run" and "item" are reserved.';
  end if;
  return v_slug;
end
$$;

comment on function pgflow._check_slug(text, jsonb) is 'The slug as text; PF001 if it is not one.';

create function pgflow._check_options(place text, options jsonb) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_key text;
  v_value jsonb;
  v_problem text;
begin
  if jsonb_typeof(_check_options.options) <> 'object' then
    raise exception '%: "options" must be an object, not %', _check_options.place, jsonb_typeof(_check_options.options)
      using errcode = 'PF001';
  end if;
  for v_key, v_value in select o.key, o.value from jsonb_each(_check_options.options) o loop
    -- Durations are at most ten years (315,360,000 s), so that adding one to a timestamp cannot overflow.
    v_problem := case
      when v_key in ('max_attempts') then pgflow._number_problem(v_value, 1, 1000000, true)
      when v_key in ('max_failures') then pgflow._number_problem(v_value, 0, 1000000000, true)
      when v_key in ('priority') then pgflow._number_problem(v_value, -100, 100, true)
      when v_key in ('base_delay', 'max_delay', 'start_delay') then pgflow._number_problem(v_value, 0, 315360000, false)
      when v_key in ('timeout', 'launch_timeout') then pgflow._number_problem(v_value, 0.000001, 315360000, false)
      when v_key = 'heartbeat_timeout' then
        case when v_value <> 'null' then pgflow._number_problem(v_value, 0.000001, 315360000, false) end
      when v_key = 'jitter' then pgflow._number_problem(v_value, 0, 100, false)
      when v_key = 'backoff' then
        case when v_value not in ('"exponential"', '"fixed"') then 'must be "exponential" or "fixed"' end
      when v_key in ('when_exhausted', 'when_unmet') then
        case when v_value not in ('"fail"', '"skip"', '"skip_cascade"') then 'must be "fail", "skip" or "skip_cascade"' end
      when v_key in ('required_input', 'forbidden_input') then
        case when jsonb_typeof(v_value) <> 'object' then 'must be an object' end
      else 'is not an option'
    end;
    if v_problem is not null then
      raise exception '%: option "%" %', _check_options.place, v_key, v_problem
        using errcode = 'PF001', detail = format('got %s', v_value);
    end if;
  end loop;
end
$$;

comment on function pgflow._check_options(text, jsonb) is 'PF001 naming the place and the key if an option is unknown or out of range.';

create function pgflow._check_keys(place text, value jsonb, types jsonb) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_key text;
  v_type text;
begin
  if jsonb_typeof(_check_keys.value) is distinct from 'object' then
    raise exception '% must be an object, not %', _check_keys.place, coalesce(jsonb_typeof(_check_keys.value), 'null')
      using errcode = 'PF001';
  end if;
  for v_key, v_type in select e.key, jsonb_typeof(e.value) from jsonb_each(_check_keys.value) e loop
    if not _check_keys.types ? v_key then
      raise exception '%: unknown key "%"', _check_keys.place, v_key
        using errcode = 'PF001',
          hint = 'Known keys: ' || (select string_agg(k, ', ' order by k) from jsonb_object_keys(_check_keys.types) k) || '.';
    end if;
    if v_type <> 'null' and v_type <> _check_keys.types ->> v_key then
      raise exception '%: "%" must be of type %, not %', _check_keys.place, v_key, _check_keys.types ->> v_key, v_type
        using errcode = 'PF001';
    end if;
  end loop;
end
$$;

comment on function pgflow._check_keys(text, jsonb, jsonb) is 'PF001 if the object has a key outside `types` (key -> jsonb type name) or a value of another type.';

create function pgflow._check_references(place text, step jsonb, deps text[]) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_key text;
  v_value jsonb;
  v_source text;
  v_is_map boolean := _check_references.step ->> 'step_type' = 'map';
begin
  for v_key, v_value in select p.key, p.value from jsonb_each(nullif(_check_references.step -> 'params', 'null')) p loop
    v_source := case when jsonb_typeof(v_value) = 'string' then v_value #>> '{}' end;
    if v_value ? 'const' and jsonb_typeof(v_value) = 'object' and v_value - 'const' = '{}' then
      continue;
    elsif v_source is null then
      raise exception '%: params "%" must be "run", "item", a dependency or {"const": value}', _check_references.place, v_key
        using errcode = 'PF001';
    elsif v_source = 'item' and v_is_map or v_source = any (_check_references.deps) then
      continue;
    elsif v_source = 'run' and coalesce((nullif(_check_references.step -> 'needs_run_input', 'null'))::boolean, false) then
      continue;
    end if;
    raise exception '%: params "%" names "%", which the step does not receive', _check_references.place, v_key, v_source
      using errcode = 'PF001', hint = 'List it in "deps", or set "needs_run_input" for "run"; "item" is for map steps.';
  end loop;
  for v_key in
    select k.key
    from (values ('required_input'), ('forbidden_input')) o (name),
      jsonb_object_keys(nullif(_check_references.step -> 'options' -> o.name, 'null')) k (key)
  loop
    if v_key <> 'run' and v_key <> all (_check_references.deps) then
      raise exception '%: a condition names "%", which is neither "run" nor one of its deps', _check_references.place, v_key
        using errcode = 'PF001';
    end if;
  end loop;
end
$$;

comment on function pgflow._check_references(text, jsonb, text[]) is 'PF001 if params or conditions of a step name what it does not receive.';

create function pgflow._check_step(flow_slug text, step jsonb) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_slug text;
  v_place text;
  v_dep text;
  v_deps text[] := '{}';
  v_type text;
  v_map_over text;
begin
  v_place := format('flow "%s", step %s', _check_step.flow_slug, coalesce(_check_step.step -> 'step_slug', 'null'));
  perform pgflow._check_keys(v_place, _check_step.step, '{"step_slug": "string", "step_type": "string", "deps": "array",
    "map_over": "string", "needs_run_input": "boolean", "params": "object", "executor": "string",
    "executor_options": "object", "handler": "string", "options": "object"}');
  v_slug := pgflow._check_slug(format('flow "%s": step_slug', _check_step.flow_slug), _check_step.step -> 'step_slug');
  v_type := coalesce(_check_step.step ->> 'step_type', 'single');
  if v_type not in ('single', 'map') then
    raise exception '%: "step_type" must be "single" or "map", not "%"', v_place, v_type using errcode = 'PF001';
  end if;
  if _check_step.step ->> 'executor' !~ '^[a-zA-Z0-9_.-]{1,128}$' then
    raise exception '%: "executor" must be 1 to 128 letters, digits, dots, dashes and underscores', v_place using errcode = 'PF001';
  elsif _check_step.step ->> 'handler' = '' then
    raise exception '%: "handler" must not be empty', v_place using errcode = 'PF001';
  end if;
  for v_dep in
    select pgflow._check_slug(v_place || ': deps:', d.value)
    from jsonb_array_elements(case when jsonb_typeof(_check_step.step -> 'deps') = 'array' then _check_step.step -> 'deps' else '[]' end) d
  loop
    if v_dep = v_slug then
      raise exception '%: depends on itself', v_place using errcode = 'PF001';
    elsif v_dep = any (v_deps) then
      raise exception '%: deps: "%" is listed twice', v_place, v_dep using errcode = 'PF001';
    end if;
    v_deps := v_deps || v_dep;
  end loop;
  v_map_over := _check_step.step ->> 'map_over';
  if v_type = 'single' and v_map_over is not null then
    raise exception '%: "map_over" is for map steps', v_place using errcode = 'PF001';
  elsif v_type = 'map' and v_map_over is null then
    raise exception '%: a map step needs "map_over": "run" or one of its deps', v_place using errcode = 'PF001';
  elsif v_map_over <> 'run' and v_map_over <> all (v_deps) then
    raise exception '%: "map_over" names "%", which is neither "run" nor one of its deps', v_place, v_map_over
      using errcode = 'PF001';
  end if;
  perform pgflow._check_options(v_place, coalesce(nullif(_check_step.step -> 'options', 'null'), '{}'));
  perform pgflow._check_references(v_place, _check_step.step, v_deps);
end
$$;

comment on function pgflow._check_step(text, jsonb) is 'PF001 naming the step and the key if a step of a definition is wrong in itself.';

create function pgflow._check_acyclic(flow_slug text, steps jsonb) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_from text[];
  v_to text[];
  v_count int;
begin
  select array_agg(d.slug), array_agg(s.value ->> 'step_slug') into v_from, v_to
  from jsonb_array_elements(_check_acyclic.steps) s, jsonb_array_elements_text(nullif(s.value -> 'deps', 'null')) d (slug);
  -- Take away the edges that leave a step nothing leads to, until nothing moves: what stays is in or behind a cycle.
  loop
    v_count := coalesce(cardinality(v_from), 0);
    exit when v_count = 0;
    select array_agg(e.source), array_agg(e.target) into v_from, v_to
    from unnest(v_from, v_to) e (source, target)
    where e.source in (select t.target from unnest(v_to) t (target));
    if cardinality(v_from) = v_count then
      raise exception 'flow "%": steps depend on each other in a cycle: %', _check_acyclic.flow_slug,
          (select string_agg(distinct format('"%s"', t.target), ', ') from unnest(v_to) t (target))
        using errcode = 'PF001';
    end if;
  end loop;
end
$$;

comment on function pgflow._check_acyclic(text, jsonb) is 'PF001 naming the steps if they form a cycle.';

create function pgflow._check_definition(definition jsonb) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_slug text;
  v_place text;
  v_index int;
  v_problem text;
begin
  if octet_length(_check_definition.definition::text) > pgflow._limit('definition') then
    raise exception '%', pgflow._too_large('the definition', octet_length(_check_definition.definition::text), pgflow._limit('definition'))
      using errcode = 'PF007';
  end if;
  perform pgflow._check_keys('definition', _check_definition.definition, '{"flow_slug": "string", "options": "object",
    "input_schema": "object", "returns": "string", "steps": "array"}');
  v_slug := pgflow._check_slug('flow_slug', _check_definition.definition -> 'flow_slug');
  v_place := format('flow "%s"', v_slug);
  perform pgflow._check_options(v_place, coalesce(nullif(_check_definition.definition -> 'options', 'null'), '{}'));
  if coalesce(jsonb_array_length(nullif(_check_definition.definition -> 'steps', 'null')), 0) = 0 then
    raise exception '%: a flow needs at least one step', v_place using errcode = 'PF001';
  end if;
  if jsonb_array_length(_check_definition.definition -> 'steps') > pgflow._limit('steps') then
    raise exception '%', format('%s has %s steps, more than the %s allowed: map over an array instead', v_place,
        jsonb_array_length(_check_definition.definition -> 'steps'), pgflow._limit('steps')) using errcode = 'PF007';
  end if;
  select s.ordinality - 1, jsonb_typeof(s.value) into v_index, v_problem
  from jsonb_array_elements(_check_definition.definition -> 'steps') with ordinality s
  where jsonb_typeof(s.value) <> 'object' limit 1;
  if found then
    raise exception '%: steps[%] must be an object, not %', v_place, v_index, v_problem using errcode = 'PF001';
  end if;
  perform pgflow._check_step(v_slug, s.value) from jsonb_array_elements(_check_definition.definition -> 'steps') s;

  select format('%s: step "%s" is defined twice', v_place, s.value ->> 'step_slug') into v_problem
  from jsonb_array_elements(_check_definition.definition -> 'steps') s
  group by s.value ->> 'step_slug' having count(*) > 1
  limit 1;
  if v_problem is null then
    select format('%s, step "%s": depends on "%s", which is not a step of this flow', v_place, s.value ->> 'step_slug', d.slug)
      into v_problem
    from jsonb_array_elements(_check_definition.definition -> 'steps') s,
      jsonb_array_elements_text(nullif(s.value -> 'deps', 'null')) d (slug)
    where d.slug not in (select o.value ->> 'step_slug' from jsonb_array_elements(_check_definition.definition -> 'steps') o)
    limit 1;
  end if;
  if v_problem is null and not exists (
    select from jsonb_array_elements(_check_definition.definition -> 'steps') s
    where s.value ->> 'step_slug' = coalesce(_check_definition.definition ->> 'returns', s.value ->> 'step_slug'))
  then
    v_problem := format('%s: "returns" names "%s", which is not a step', v_place, _check_definition.definition ->> 'returns');
  end if;
  if v_problem is not null then
    raise exception '%', v_problem using errcode = 'PF001';
  end if;
  perform pgflow._check_flow_conditions(_check_definition.definition);
  perform pgflow._check_acyclic(v_slug, _check_definition.definition -> 'steps');
end
$$;

comment on function pgflow._check_definition(jsonb) is 'PF001 naming flow, step and key if a definition is wrong.';

create function pgflow._normalise(definition jsonb) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_flow jsonb;
  v_steps jsonb;
begin
  -- A key that is null or empty says the same as no key.
  select coalesce(jsonb_object_agg(e.key, e.value), '{}') into v_flow
  from jsonb_each(_normalise.definition) e
  where e.value not in ('null', '{}') or e.key = 'input_schema' and e.value = '{}';
  select jsonb_agg(
      (select jsonb_object_agg(e.key, e.value) from jsonb_each(s.value) e
       where e.value not in ('null', '{}', '[]') and (e.key, e.value) not in (('needs_run_input', 'false'), ('step_type', '"single"')))
      order by s.ordinality)
    into v_steps
  from jsonb_array_elements(_normalise.definition -> 'steps') with ordinality s;
  return v_flow || jsonb_build_object('steps', v_steps);
end
$$;

comment on function pgflow._normalise(jsonb) is 'The definition with keys that say nothing left out; no default is filled in.';

create function pgflow._insert_steps(flow_slug text, flow_version int, definition jsonb) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.executors (executor)
  select distinct coalesce(s.value ->> 'executor', 'local') from jsonb_array_elements(_insert_steps.definition -> 'steps') s
  order by 1
  on conflict on constraint executors_pkey do nothing;

  with raw as (
    select s.ordinality::int - 1 as step_index, s.value as step, s.value ->> 'step_slug' as slug,
      coalesce(s.value -> 'deps', '[]') as deps,
      coalesce(_insert_steps.definition -> 'options', '{}') || coalesce(s.value -> 'options', '{}') as options
    from jsonb_array_elements(_insert_steps.definition -> 'steps') with ordinality s
  ), typed as (
    select r.*, coalesce(r.step ->> 'step_type', 'single') as step_type, o.*
    from raw r, jsonb_to_record(r.options) as o (
      max_attempts int, base_delay float8, max_delay float8, backoff text, jitter float8, timeout float8, start_delay float8,
      launch_timeout float8, heartbeat_timeout float8, when_exhausted text, max_failures int, required_input jsonb,
      forbidden_input jsonb, when_unmet text, priority int)
  ), sized as (
    -- What its inputs, or the outputs of the run, can come to at most tells whether they need to be measured at all.
    select t.*, not exists (select from typed c where c.deps ? t.slug) as is_last,
      pgflow._limit('run_input') + (
        select coalesce(sum(case p.step_type when 'map' then pgflow._limit('map_output') else pgflow._limit('task_output') end), 0)
        from typed p where t.deps ? p.slug) as most_input,
      case t.step_type when 'map' then pgflow._limit('map_output') else pgflow._limit('task_output') end as most_output
    from typed t
  )
  insert into pgflow.steps (flow_slug, flow_version, step_slug, step_index, step_type, map_over, needs_run_input, params,
    executor, executor_options, handler, max_attempts, base_delay, max_delay, backoff, jitter, timeout, start_delay,
    launch_timeout, heartbeat_timeout, when_exhausted, max_failures, required_input, forbidden_input, when_unmet, priority,
    dep_count, is_plain, is_output, needs_array, input_fits, output_fits, is_last, is_counted)
  select _insert_steps.flow_slug, _insert_steps.flow_version, t.slug, t.step_index, t.step_type,
    t.step ->> 'map_over',
    coalesce((t.step -> 'needs_run_input')::boolean, false), t.step -> 'params',
    coalesce(t.step ->> 'executor', 'local'), coalesce(t.step -> 'executor_options', '{}'), t.step ->> 'handler',
    coalesce(t.max_attempts, 3), coalesce(t.base_delay, 1), coalesce(t.max_delay, 300), coalesce(t.backoff, 'exponential'),
    coalesce(t.jitter, 0.1), coalesce(t.timeout, 60), coalesce(t.start_delay, 0), coalesce(t.launch_timeout, 300),
    t.heartbeat_timeout, coalesce(t.when_exhausted, 'fail'), coalesce(t.max_failures, 0),
    nullif(t.required_input, 'null'), nullif(t.forbidden_input, 'null'), coalesce(t.when_unmet, 'skip'), coalesce(t.priority, 0),
    jsonb_array_length(t.deps),
    t.step_type = 'single' and nullif(t.required_input, 'null') is null and nullif(t.forbidden_input, 'null') is null
      and coalesce(t.start_delay, 0) = 0 and t.most_input <= pgflow._limit('task_input'),
    o.is_output,
    t.step_type = 'map' and exists (
      select from typed c
      where c.deps ? t.slug
        and (c.step_type = 'single' or c.step ->> 'map_over' <> t.slug
          or c.required_input ? t.slug or c.forbidden_input ? t.slug)),
    t.most_input <= pgflow._limit('task_input'),
    sum(t.most_output) filter (where o.is_output) over () <= pgflow._limit('run_output'),
    t.is_last, t.is_last or coalesce(bool_or('skip_cascade' in (t.when_exhausted, t.when_unmet)) over (), false)
  from sized t
    cross join lateral (select t.is_last or coalesce(t.slug = _insert_steps.definition ->> 'returns', false) as is_output) o
  order by t.step_index;

  insert into pgflow.deps (flow_slug, flow_version, dep_slug, step_slug, dep_id, step_id, is_input, is_plain)
  select _insert_steps.flow_slug, _insert_steps.flow_version, p.step_slug, c.step_slug, p.step_id, c.step_id,
    c.map_over is distinct from p.step_slug, c.is_plain
  from pgflow.steps c,
    jsonb_array_elements_text(_insert_steps.definition -> 'steps' -> c.step_index -> 'deps') d (slug)
    join pgflow.steps p on p.step_slug = d.slug
  where c.flow_slug = _insert_steps.flow_slug and c.flow_version = _insert_steps.flow_version
    and p.flow_slug = _insert_steps.flow_slug and p.flow_version = _insert_steps.flow_version;

  update pgflow.flows f
  set (counted_steps, map_over_run) = (
    select count(*) filter (where s.is_counted), min(s.step_slug) filter (where s.map_over = 'run')
    from pgflow.steps s where s.flow_slug = f.flow_slug and s.flow_version = f.flow_version)
  where f.flow_slug = _insert_steps.flow_slug and f.flow_version = _insert_steps.flow_version;

  perform pgflow._queue_id(q.executor, q.priority)
  from (select distinct s.executor, s.priority from pgflow.steps s
        where s.flow_slug = _insert_steps.flow_slug and s.flow_version = _insert_steps.flow_version order by 1, 2) q;
end
$$;

comment on function pgflow._insert_steps(text, int, jsonb) is 'Write steps, deps and queues of a new flow version, defaults filled in.';

create function pgflow.define_flow(definition jsonb) returns table (flow_slug text, flow_version int, created boolean)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_slug text;
  v_definition jsonb;
  v_hash text;
  v_version int;
  v_active boolean;
  v_created boolean := false;
begin
  perform pgflow._check_definition(define_flow.definition);
  v_slug := define_flow.definition ->> 'flow_slug';
  v_definition := pgflow._normalise(define_flow.definition);
  v_hash := encode(sha256(convert_to(v_definition::text, 'UTF8')), 'hex');
  perform pgflow_locks.lock_definition(v_slug);

  select f.flow_version, f.is_active into v_version, v_active
  from pgflow.flows f where f.flow_slug = v_slug and f.definition_hash = v_hash;
  if v_version is null then
    v_created := true;
    v_active := false;
    select coalesce(max(f.flow_version), 0) + 1 into v_version from pgflow.flows f where f.flow_slug = v_slug;
    insert into pgflow.flows (flow_slug, flow_version, definition, definition_hash, is_active, counted_steps, created_at)
    values (v_slug, v_version, v_definition, v_hash, false, 0, pgflow.clock())
    -- Cannot happen under the lock, but to a snapshot older than the lock: this form raises 40001 then.
    on conflict do nothing;
    perform pgflow._insert_steps(v_slug, v_version, v_definition);
  end if;
  if not v_active then
    update pgflow.flows f set is_active = false where f.flow_slug = v_slug and f.is_active;
    update pgflow.flows f set is_active = true where f.flow_slug = v_slug and f.flow_version = v_version;
  end if;
  return query select v_slug, v_version, v_created;
end
$$;

comment on function pgflow.define_flow(jsonb) is 'Define a flow. The same content activates its version again; new content becomes the next version. PF001 if it is wrong.';

create function pgflow.step(step_slug text, deps text[] default null, step_type text default null, map_over text default null,
  needs_run_input boolean default null, params jsonb default null, executor text default null,
  executor_options jsonb default null, handler text default null, options jsonb default null) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_object_agg(e.key, e.value)
    from jsonb_each(jsonb_build_object(
      'step_slug', step.step_slug, 'deps', to_jsonb(step.deps), 'step_type', step.step_type, 'map_over', step.map_over,
      'needs_run_input', step.needs_run_input, 'params', step.params, 'executor', step.executor,
      'executor_options', step.executor_options, 'handler', step.handler, 'options', step.options)) e
    where e.value <> 'null' or e.key = 'step_slug');
end
$$;

comment on function pgflow.step(text, text[], text, text, boolean, jsonb, text, jsonb, text, jsonb) is
  'A step of a definition, for people who write SQL; use inside pgflow.flow().';

create function pgflow.flow(flow_slug text, variadic steps jsonb[]) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  return jsonb_build_object('flow_slug', flow.flow_slug, 'steps', to_jsonb(flow.steps));
end
$$;

comment on function pgflow.flow(text, jsonb[]) is
  'A definition from steps, for people who write SQL; add flow options with || jsonb_build_object(''options'', ...).';

create function pgflow.delete_flow(flow_slug text, force boolean default false) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_running uuid[];
  v_runs uuid[];
begin
  perform pgflow_locks.lock_definition(delete_flow.flow_slug);
  perform pgflow_locks.use_flow(delete_flow.flow_slug, true);
  select array_agg(r.run_id), array_agg(r.run_id) filter (where r.status = 'running') into v_runs, v_running
  from pgflow.runs r where r.flow_slug = delete_flow.flow_slug;
  if v_runs is not null and not delete_flow.force then
    raise exception 'flow "%" has % runs', delete_flow.flow_slug, cardinality(v_runs)
      using errcode = 'PF005', hint = 'Prune them first, or pass force => true to delete them too.';
  elsif cardinality(v_running) > 2000 then
    -- Each needs its lock, and the lock table is small.
    raise exception 'flow "%" has % running runs', delete_flow.flow_slug, cardinality(v_running)
      using errcode = 'PF005', hint = 'Cancel them first, in several transactions.';
  end if;
  perform pgflow_locks.lock_runs(v_running);
  -- As prune_runs, which passes over runs that are locked: the two would delete rows of the same runs in different orders.
  perform from pgflow.runs r where r.run_id = any (v_runs) order by r.run_id for update;
  perform pgflow._delete_runs(v_runs);
  delete from pgflow.flows f where f.flow_slug = delete_flow.flow_slug;
  if not found then
    raise exception 'no flow "%"', delete_flow.flow_slug using errcode = 'PF002';
  end if;
  delete from pgflow.open_flows o where o.flow_slug = delete_flow.flow_slug;
end
$$;

comment on function pgflow.delete_flow(text, boolean) is 'Delete all versions of a flow; its runs too if forced. PF002 if there is none, PF005 while runs exist.';

create function pgflow.open_flow(flow_slug text, role_name text default 'pgflow_user') returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform pgflow._check_slug('flow_slug', to_jsonb(open_flow.flow_slug));
  if not exists (select from pg_roles r where r.rolname = open_flow.role_name) then
    raise exception 'no role %', coalesce(quote_ident(open_flow.role_name), 'null') using errcode = 'PF008',
      hint = 'Name a role of the database: "authenticated", or leave it out for all who have pgflow_user.';
  end if;
  insert into pgflow.open_flows (flow_slug, role_name) values (open_flow.flow_slug, open_flow.role_name) on conflict do nothing;
  return found;
end
$$;

comment on function pgflow.open_flow(text, text) is
  'Let users with the rights of a role start a flow, now or once it is deployed. True if they could not before. PF008 if there is no such role.';

create function pgflow.close_flow(flow_slug text, role_name text default 'pgflow_user') returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  delete from pgflow.open_flows o where o.flow_slug = close_flow.flow_slug and o.role_name = close_flow.role_name;
  return found;
end
$$;

comment on function pgflow.close_flow(text, text) is 'Take back what open_flow gave. True if there was something to take; runs go on.';

create function pgflow._object_of_many(keys text[], outputs jsonb[]) returns jsonb
language plpgsql immutable strict
set search_path to pg_catalog, pg_temp
as $$
declare
  v_few constant boolean := cardinality(_object_of_many.keys) <= 16;
  v_object jsonb := '{}';
begin
  -- Not jsonb_object_agg for what may be large: of an array of strings it measures, at each string, all that follows
  -- (an output of 20,000 strings of 500 bytes: 6.5 s, and four times that for twice as many). Nor `||` for many: each copies what there is.
  if not v_few then
    select coalesce(jsonb_object_agg(p.key, p.value), '{}') into v_object
    from unnest(_object_of_many.keys, _object_of_many.outputs) p (key, value) where pgflow._size(p.value) < 65536;
  end if;
  for i in 1 .. cardinality(_object_of_many.keys) loop
    if v_few or pgflow._size(_object_of_many.outputs[i]) >= 65536 then
      v_object := v_object || jsonb_build_object(_object_of_many.keys[i], _object_of_many.outputs[i]);
    end if;
  end loop;
  return v_object;
end
$$;

comment on function pgflow._object_of_many(text[], jsonb[]) is 'As _object, of any number of keys.';

-- Without a pinned search_path, so that the planner inlines it; every name in it is qualified.
create function pgflow._object(keys text[], outputs jsonb[]) returns jsonb
language sql stable
as $$
  select case pg_catalog.cardinality(keys)
    when 1 then pg_catalog.jsonb_build_object(keys[1], outputs[1])
    else pgflow._object_of_many(keys, outputs) end
$$;

comment on function pgflow._object(text[], jsonb[]) is
  'The object of these keys and outputs, in time that grows with their size; null of none. For arrays, to_jsonb(array_agg(...)) does the same.';

create function pgflow._log_tail(log_tail text) returns text
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  return case when length(_log_tail.log_tail) <= pgflow._limit('log_tail') then _log_tail.log_tail
    else format('[cut, of %s characters]%s%s', length(_log_tail.log_tail), chr(10),
      right(_log_tail.log_tail, pgflow._limit('log_tail')::int)) end;
end
$$;

comment on function pgflow._log_tail(text) is 'The end of what an attempt wrote, as much as is kept.';

create function pgflow._cut_error(error jsonb) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_most int := pgflow._limit('error') / 8;
begin
  -- In characters of at most four bytes: the two long texts together are no larger than the limit. A traceback tells most at its end.
  return (
    select coalesce(jsonb_object_agg(e.key,
        case
          when length(e.text) <= v_most then e.text
          when e.key = 'traceback' then format('[cut, of %s characters] %s', length(e.text), right(e.text, v_most))
          else format('%s [cut, of %s characters]', left(e.text, case when e.key = 'message' then v_most else 200 end), length(e.text))
        end), '{}') || '{"truncated": true}'
    from (select o.key, o.value #>> '{}' as text from jsonb_each(_cut_error.error) o) e
    where e.key in ('code', 'type', 'message', 'traceback'));
end
$$;

comment on function pgflow._cut_error(jsonb) is 'What is kept of an error that is too large: its known keys, their texts cut and marked.';

create function pgflow._map_output(run_id uuid, step_slug text) returns jsonb
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return (
    select coalesce(to_jsonb(array_agg(t.output order by t.task_index)), '[]')
    from pgflow.map_tasks t
    where t.run_id = _map_output.run_id and t.step_slug = _map_output.step_slug
  );
end
$$;

comment on function pgflow._map_output(uuid, text) is 'Outputs of a map step in item order; null where an item failed.';

create function pgflow._make_error(error jsonb, code text, message text, step_slug text, task_index int, attempt int) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_error jsonb;
begin
  -- Keys that are null say nothing; what lies deeper is the user's, and stays as it is.
  select coalesce(pgflow._object(array_agg(e.key), array_agg(e.value)), '{}') into v_error
  from jsonb_each(case when jsonb_typeof(_make_error.error) = 'object' then _make_error.error
    else jsonb_build_object('message', _make_error.error) end) e
  where e.value <> 'null';
  if pg_column_size(v_error) > pgflow._limit('error') then
    v_error := pgflow._cut_error(v_error);
  end if;
  return v_error || jsonb_strip_nulls(jsonb_build_object(
    'code', coalesce(v_error ->> 'code', _make_error.code), 'message', coalesce(v_error ->> 'message', _make_error.message),
    'step_slug', _make_error.step_slug, 'task_index', _make_error.task_index, 'attempt', _make_error.attempt));
end
$$;

comment on function pgflow._make_error(jsonb, text, text, text, int, int) is
  'An error object {code, message, ..., step_slug, task_index, attempt}, both texts, from whatever was reported.';

create function pgflow._backoff(step pgflow.steps, failures int) returns double precision
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  return least(
      step.max_delay,
      step.base_delay * case when step.backoff = 'exponential' then power(2, least(_backoff.failures - 1, 60)) else 1 end)
    * (1 + step.jitter * random());
end
$$;

comment on function pgflow._backoff(pgflow.steps, int) is 'Seconds to wait after the given number of failures.';

create function pgflow._park_paused(run_ids uuid[], only_new boolean) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_xid bigint := pg_current_xact_id()::text::bigint;
  v_runs uuid[];
  v_places tid[];
begin
  -- Claims park without the run lock: this makes resume_run wait for them, and a pause that is being lifted is none.
  v_runs := array(
    select p.run_id from pgflow.paused_runs p where p.run_id = any (_park_paused.run_ids) order by p.run_id for key share skip locked);
  if cardinality(v_runs) = 0 then
    return;
  end if;
  if _park_paused.only_new then
    v_places := array(
      select x.place
      from pgflow.queues q
        cross join lateral (
          select t.ctid as place, t.run_id from pgflow.ready_tasks t where t.queue_id = q.queue_id and t.xid = v_xid offset 0) x
      where x.run_id = any (v_runs));
  else
    -- A sequential scan: pausing is rare, and an index on run_id would cost every task.
    v_places := array(select x.ctid from pgflow.ready_tasks x where x.run_id = any (v_runs) for update skip locked);
  end if;
  with moved as (
    delete from pgflow.ready_tasks t where t.ctid = any (v_places) returning t.run_id, t.step_id, t.task_index
  )
  insert into pgflow.parked_tasks (run_id, step_id, task_index)
  select m.run_id, m.step_id, m.task_index from moved m
  on conflict on constraint parked_tasks_pkey do nothing;
end
$$;

comment on function pgflow._park_paused(uuid[], boolean) is
  'Move ready tasks of those of these runs that are paused out of the way of claims: all, or those that this transaction made ready.';

create function pgflow._enqueue(run_ids uuid[], step_ids int[], task_indexes int[], queue_ids int[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_xid bigint := pg_current_xact_id()::text::bigint;
begin
  insert into pgflow.ready_tasks (xid, run_id, queue_id, step_id, task_index)
  select v_xid, t.run_id, t.queue_id, t.step_id, t.task_index
  from unnest(_enqueue.run_ids, _enqueue.step_ids, _enqueue.task_indexes, _enqueue.queue_ids)
    with ordinality t (run_id, step_id, task_index, queue_id, ordinality)
  order by t.ordinality;
  if exists (select from pgflow.paused_runs) then
    perform pgflow._park_paused(_enqueue.run_ids, true);
  end if;
end
$$;

comment on function pgflow._enqueue(uuid[], int[], int[], int[]) is 'Make tasks ready for claims; those of paused runs are parked.';

create function pgflow._set_timers(kind text, run_ids uuid[], step_ids int[], task_indexes int[], due_ats timestamptz[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.timers (due_at, kind, executor, run_ids, step_ids, task_indexes)
  select t.due_at, _set_timers.kind, s.executor, array_agg(t.run_id), array_agg(t.step_id), array_agg(t.task_index)
  from unnest(_set_timers.run_ids, _set_timers.step_ids, _set_timers.task_indexes, _set_timers.due_ats)
      with ordinality t (run_id, step_id, task_index, due_at, ordinality)
    cross join lateral (select x.executor from pgflow.steps x where x.step_id = t.step_id offset 0) s
  group by t.due_at, s.executor, t.ordinality / 500;
end
$$;

comment on function pgflow._set_timers(text, uuid[], int[], int[], timestamptz[]) is
  'Have tasks looked at when their time comes: kind delay for what their visible_at says, lease for their lease or deadline.';

create function pgflow._notify() returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_xid bigint := pg_current_xact_id_if_assigned()::text::bigint;
  v_executors text;
  v_ended text := current_setting('pgflow.ended_runs', true);
begin
  if v_ended <> '' then
    perform set_config('pgflow.ended_runs', '', true);
    -- A payload is limited to 8000 bytes.
    perform pg_notify('pgflow_events', case when length(v_ended) < 8000 then v_ended else '*' end);
  end if;
  -- What this transaction made ready carries its id: nothing needs to be remembered on the way here.
  if v_xid is null then
    return;
  end if;
  -- Only where nothing older waits: whoever was woken for that finds ours too. A notification holds a lock of the whole cluster
  -- while the commit is flushed, so many callers that each start a run would stand in line (8 clients: 3 times the runs a second).
  -- An entry with an xmax is being claimed, or was: that claim may not see ours. A claim that begins between this look and our
  -- commit is left to the next poll, which comes soon after a claim that found something.
  select string_agg(distinct q.executor, ',' order by q.executor) into v_executors
  from pgflow.queues q
    cross join lateral (
      select x.xid from pgflow.ready_tasks x
      where x.queue_id = q.queue_id and (x.xid, x.seq) >= (pgflow._low_mark(q.low_xid), q.low_seq) and x.xmax = '0'
      order by x.xid, x.seq limit 1) oldest
  where q.queue_id > 0 and oldest.xid = v_xid
    and not exists (select from pgflow.executors e where e.executor = q.executor and e.paused_at is not null);
  if v_executors is not null then
    perform pg_notify('pgflow_ready', v_executors);
  end if;
end
$$;

comment on function pgflow._notify() is
  'The last thing that a verb does: tell listeners which runs it ended (* when they are too many to name), and wake the dispatchers of the executors for which this transaction leaves tasks ready, unless older ones wait.';

create function pgflow._notify_ended(run_ids uuid[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  perform set_config('pgflow.ended_runs',
    concat_ws(',', nullif(current_setting('pgflow.ended_runs', true), ''), array_to_string(_notify_ended.run_ids, ',')), true);
end
$$;

comment on function pgflow._notify_ended(uuid[]) is 'Have _notify tell listeners that these runs ended.';

create function pgflow._insert_map_tasks(run_id uuid, step pgflow.steps, queue_id int, items jsonb, existing int,
  visible_at timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_count int := jsonb_array_length(_insert_map_tasks.items);
  v_xid bigint := pg_current_xact_id()::text::bigint;
begin
  -- Rows are there already when retry_run reruns the step: their attempt numbers go on. (Not by on conflict: that costs
  -- 48 bytes of WAL an item.)
  if _insert_map_tasks.existing > 0 then
    update pgflow.map_tasks t
    set input = i.value, visible_at = _insert_map_tasks.visible_at, failures = 0, launch_failures = 0, task_started_at = null,
      lease_expires_at = null, token_hash = null, finished_at = null, end_status = null, output = null, error = null
    from jsonb_array_elements(_insert_map_tasks.items) with ordinality i
    where t.run_id = _insert_map_tasks.run_id and t.step_slug = step.step_slug and t.task_index = i.ordinality - 1;
    -- What is left over goes, but its attempt numbers do not come back: the step row keeps the highest.
    with surplus as (
      delete from pgflow.map_tasks t
      where t.run_id = _insert_map_tasks.run_id and t.step_slug = step.step_slug and t.task_index >= v_count
      returning t.attempt
    )
    update pgflow.run_steps t
    set attempt = greatest(t.attempt, (select max(s.attempt) from surplus s))
    where t.run_id = _insert_map_tasks.run_id and t.step_slug = step.step_slug;
  end if;
  insert into pgflow.map_tasks (run_id, step_id, task_index, step_slug, input, attempt, visible_at)
  select _insert_map_tasks.run_id, step.step_id, i.ordinality::int - 1, step.step_slug, i.value, r.attempt, _insert_map_tasks.visible_at
  from pgflow.run_steps r, jsonb_array_elements(_insert_map_tasks.items) with ordinality i
  where r.run_id = _insert_map_tasks.run_id and r.step_slug = step.step_slug and i.ordinality > _insert_map_tasks.existing;
  insert into pgflow.map_counters (run_id, step_slug, slot, remaining)
  select _insert_map_tasks.run_id, step.step_slug, s.slot, (v_count - s.slot + 15) / 16
  from generate_series(0, least(v_count, 16) - 1) s (slot);
  if v_count = 0 then
    return;
  elsif _insert_map_tasks.visible_at is null then
    insert into pgflow.ready_tasks (xid, run_id, queue_id, step_id, task_index)
    select v_xid, _insert_map_tasks.run_id, _insert_map_tasks.queue_id, step.step_id, i.task_index
    from generate_series(0, v_count - 1) i (task_index);
    if exists (select from pgflow.paused_runs) then
      perform pgflow._park_paused(array[_insert_map_tasks.run_id], true);
    end if;
  else
    perform pgflow._set_timers('delay', array_fill(_insert_map_tasks.run_id, array[v_count]), array_fill(step.step_id, array[v_count]),
      array(select generate_series(0, v_count - 1)), array_fill(_insert_map_tasks.visible_at, array[v_count]));
  end if;
end
$$;

comment on function pgflow._insert_map_tasks(uuid, pgflow.steps, int, jsonb, int, timestamptz) is
  'Write one task an item, the counters, and where to look for them: ready now, or a timer.';

create function pgflow._fail_oversized(run_ids uuid[], step_ids int[], now timestamptz) returns uuid[]
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_failed uuid[];
begin
  -- At the start of the step, so that no claim ever meets an input that cannot be built. Most steps have so few inputs that they
  -- fit whatever their sizes (input_fits): of those nothing is read.
  -- offset 0 and `= any`: always a probe of the whole key, whatever the statistics.
  with sized as materialized (
    select u.run_id, s.step_slug,
      case when s.needs_run_input or s.has_condition then pgflow._size(r.input) else 0 end + coalesce((
        select sum(pgflow._size(t.output))
        from pgflow.deps d
          cross join lateral (
            select x.output from pgflow.run_steps x
            where x.run_id = u.run_id and x.step_slug = d.dep_slug and x.status = 'completed' offset 0) t
        where d.step_id = s.step_id and (d.is_input or s.has_condition)), 0) as bytes
    from unnest(_fail_oversized.run_ids, _fail_oversized.step_ids) u (run_id, step_id)
      cross join lateral (
        select x.step_id, x.step_slug, x.needs_run_input, x.required_input is not null or x.forbidden_input is not null as has_condition
        from pgflow.steps x where x.step_id = u.step_id and not x.input_fits offset 0) s
      cross join lateral (select x.input from pgflow.runs x where x.run_id = u.run_id offset 0) r
  ), failed as (
    update pgflow.run_steps t
    set status = 'failed', finished_at = _fail_oversized.now,
      error = jsonb_build_object('code', 'INPUT_TOO_LARGE', 'step_slug', z.step_slug,
        'message', pgflow._too_large(format('the input of step "%s"', z.step_slug), z.bytes::bigint, pgflow._limit('task_input')))
    from sized z
    where z.bytes > pgflow._limit('task_input') and t.run_id = any (array[z.run_id]) and t.step_slug = z.step_slug
      and t.status = 'pending'
    returning t.run_id
  )
  select array_agg(f.run_id) into v_failed from failed f;
  return v_failed;
end
$$;

comment on function pgflow._fail_oversized(uuid[], int[], timestamptz) is
  'Of steps about to start, fail those whose input would be too large; returns their runs.';

create function pgflow._start_map(run_id uuid, step_id int, visible_at timestamptz, now timestamptz) returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_step pgflow.steps;
  v_items jsonb;
  v_source_type text;
  v_queue_id int;
  v_count int;
  v_existing int;
begin
  select s.* into v_step from pgflow.steps s where s.step_id = _start_map.step_id;
  select t.task_count, t.queue_id into v_count, v_queue_id
  from pgflow.run_steps t where t.run_id = _start_map.run_id and t.step_slug = v_step.step_slug;
  if v_count > 0 then
    perform pgflow._requeue_map(_start_map.run_id, v_step.step_slug, v_step.step_id, v_queue_id, _start_map.now);
    return 'running';
  end if;
  if v_step.map_over = 'run' then
    select r.input into v_items from pgflow.runs r where r.run_id = _start_map.run_id;
  else
    select case when t.status = 'completed' then case when t.output is null then pgflow._map_output(t.run_id, t.step_slug) else t.output end
      else '[]' end
      into v_items
    from pgflow.run_steps t where t.run_id = _start_map.run_id and t.step_slug = v_step.map_over;
  end if;
  v_source_type := jsonb_typeof(v_items);
  if v_source_type <> 'array' then
    update pgflow.run_steps t
    set status = 'failed', finished_at = _start_map.now,
      error = jsonb_build_object('code', 'TYPE_VIOLATION',
        'message', format('map step "%s" needs an array, but "%s" gave %s', v_step.step_slug, v_step.map_over, v_source_type),
        'details', jsonb_build_object('producer', v_step.map_over, 'type', v_source_type), 'step_slug', v_step.step_slug)
    where t.run_id = _start_map.run_id and t.step_slug = v_step.step_slug;
    return 'failed';
  end if;
  v_count := jsonb_array_length(v_items);
  if v_count > pgflow._limit('map_items') then
    update pgflow.run_steps t
    set status = 'failed', finished_at = _start_map.now,
      error = jsonb_build_object('code', 'TOO_MANY_ITEMS', 'step_slug', v_step.step_slug,
        'message', pgflow._too_large(format('"%s", which step "%s" maps over,', v_step.map_over, v_step.step_slug),
          v_count, pgflow._limit('map_items'), 'items'))
    where t.run_id = _start_map.run_id and t.step_slug = v_step.step_slug;
    return 'failed';
  end if;
  select coalesce(max(t.task_index) + 1, 0) into v_existing from pgflow.map_tasks t
  where t.run_id = _start_map.run_id and t.step_slug = v_step.step_slug;
  update pgflow.run_steps t
  set status = case when v_count = 0 then 'completed' else 'running' end, started_at = _start_map.now, task_count = v_count,
    finished_at = case when v_count = 0 then _start_map.now end, output = case when v_count = 0 then '[]'::jsonb end
  where t.run_id = _start_map.run_id and t.step_slug = v_step.step_slug
  returning t.queue_id into v_queue_id;
  if v_count > 0 or v_existing > 0 then
    perform pgflow._insert_map_tasks(_start_map.run_id, v_step, v_queue_id, v_items, v_existing, _start_map.visible_at);
  end if;
  return case when v_count = 0 then 'completed' else 'running' end;
end
$$;

comment on function pgflow._start_map(uuid, int, timestamptz, timestamptz) is
  'Start a map step whose dependencies ended: running with its tasks, completed if there is no item, failed if its source is no array. Returns the new status.';

create function pgflow._skip_unmet(run_ids uuid[], step_ids int[], now timestamptz,
  out unmet_runs uuid[], out unmet_steps int[], out unmet_policies text[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- offset 0 and `= any`: always a probe of the whole key, whatever the statistics.
  with waiting as (
    select u.run_id, s.step_id, s.step_slug, s.when_unmet, s.required_input, s.forbidden_input,
      jsonb_build_object('run', r.input) || coalesce((
        select pgflow._object(array_agg(d.dep_slug), array_agg(t.output))
        from pgflow.deps d
          cross join lateral (
            select x.output from pgflow.run_steps x
            where x.run_id = u.run_id and x.step_slug = d.dep_slug and x.status = 'completed' and x.output is not null offset 0) t
        where d.step_id = s.step_id), '{}') as available
    from unnest(_skip_unmet.run_ids, _skip_unmet.step_ids) u (run_id, step_id)
      cross join lateral (
        select x.step_id, x.step_slug, x.when_unmet, x.required_input, x.forbidden_input
        from pgflow.steps x
        where x.step_id = u.step_id and (x.required_input is not null or x.forbidden_input is not null) offset 0) s
      cross join lateral (select x.input from pgflow.runs x where x.run_id = u.run_id offset 0) r
      cross join lateral (select x.status from pgflow.run_steps x where x.run_id = u.run_id and x.step_slug = s.step_slug offset 0) o
    where o.status = 'pending'
  ), unmet as materialized (
    select w.run_id, w.step_id, w.step_slug, w.when_unmet
    from waiting w
    where not (w.available @> coalesce(w.required_input, '{}'))
      or coalesce(w.available @> w.forbidden_input, false)
  ), marked as (
    update pgflow.run_steps t
    set status = case when u.when_unmet = 'fail' then 'failed' else 'skipped' end,
      skip_reason = case when u.when_unmet <> 'fail' then 'condition_unmet' end, finished_at = _skip_unmet.now,
      error = case when u.when_unmet = 'fail' then
        jsonb_build_object('code', 'CONDITION_UNMET', 'message', format('the condition of step "%s" is not met', u.step_slug), 'step_slug', u.step_slug) end
    from unmet u where t.run_id = any (array[u.run_id]) and t.step_slug = u.step_slug
    returning t.run_id, t.step_id, u.when_unmet
  )
  select array_agg(m.run_id), array_agg(m.step_id), array_agg(m.when_unmet)
    into _skip_unmet.unmet_runs, _skip_unmet.unmet_steps, _skip_unmet.unmet_policies
  from marked m;
end
$$;

comment on function pgflow._skip_unmet(uuid[], int[], timestamptz) is
  'Of steps about to start, end those whose condition is not met; returns them with their when_unmet.';

create function pgflow._start_steps(run_ids uuid[], step_ids int[], not_before timestamptz, now timestamptz,
  out ended_runs uuid[], out ended_steps int[], out ended_cascades boolean[], out failed_runs uuid[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_oversized uuid[];
  v_unmet record;
  v_map record;
  v_status text;
  v_ready record;
begin
  v_oversized := pgflow._fail_oversized(_start_steps.run_ids, _start_steps.step_ids, _start_steps.now);
  v_unmet := pgflow._skip_unmet(_start_steps.run_ids, _start_steps.step_ids, _start_steps.now);
  select array_agg(u.run_id) filter (where u.policy <> 'fail'), array_agg(u.step_id) filter (where u.policy <> 'fail'),
    array_agg(u.policy = 'skip_cascade') filter (where u.policy <> 'fail'), array_agg(u.run_id) filter (where u.policy = 'fail')
    into _start_steps.ended_runs, _start_steps.ended_steps, _start_steps.ended_cascades, _start_steps.failed_runs
  from unnest(v_unmet.unmet_runs, v_unmet.unmet_steps, v_unmet.unmet_policies) u (run_id, step_id, policy);
  failed_runs := failed_runs || v_oversized;

  -- offset 0 cannot be flattened, and no join is ordered by `= any`: nothing is left but to probe the index by the whole key,
  -- whatever the statistics. Both its columns must come from one place.
  with single as materialized (
    select u.run_id, s.step_slug, s.start_delay
    from unnest(_start_steps.run_ids, _start_steps.step_ids) u (run_id, step_id)
      cross join lateral (
        select x.step_slug, x.start_delay from pgflow.steps x where x.step_id = u.step_id and x.step_type = 'single' offset 0) s
  ), started as (
    update pgflow.run_steps t
    set status = 'running', started_at = _start_steps.now,
      visible_at = nullif(greatest(_start_steps.not_before, _start_steps.now + make_interval(secs => s.start_delay)), _start_steps.now)
    from single s
    where t.run_id = any (array[s.run_id]) and t.step_slug = s.step_slug and t.status = 'pending'
    returning t.run_id, t.step_id, t.queue_id, t.visible_at
  )
  select array_agg(s.run_id) filter (where s.visible_at is null) as run_ids,
    array_agg(s.step_id) filter (where s.visible_at is null) as step_ids,
    array_agg(-1) filter (where s.visible_at is null) as indexes, array_agg(s.queue_id) filter (where s.visible_at is null) as queue_ids,
    array_agg(s.run_id) filter (where s.visible_at is not null) as late_run_ids,
    array_agg(s.step_id) filter (where s.visible_at is not null) as late_step_ids,
    array_agg(-1) filter (where s.visible_at is not null) as late_indexes,
    array_agg(s.visible_at) filter (where s.visible_at is not null) as due_ats
    into v_ready
  from started s;
  if v_ready.run_ids is not null then
    perform pgflow._enqueue(v_ready.run_ids, v_ready.step_ids, v_ready.indexes, v_ready.queue_ids);
  end if;
  if v_ready.late_run_ids is not null then
    perform pgflow._set_timers('delay', v_ready.late_run_ids, v_ready.late_step_ids, v_ready.late_indexes, v_ready.due_ats);
  end if;

  for v_map in
    select u.run_id, s.step_id,
      nullif(greatest(_start_steps.not_before, _start_steps.now + make_interval(secs => s.start_delay)), _start_steps.now) as visible_at
    from unnest(_start_steps.run_ids, _start_steps.step_ids) u (run_id, step_id)
      cross join lateral (
        select x.step_id, x.step_slug, x.start_delay from pgflow.steps x where x.step_id = u.step_id and x.step_type = 'map' offset 0) s
      cross join lateral (select x.status from pgflow.run_steps x where x.run_id = u.run_id and x.step_slug = s.step_slug offset 0) t
    where t.status = 'pending'
  loop
    v_status := pgflow._start_map(v_map.run_id, v_map.step_id, v_map.visible_at, _start_steps.now);
    if v_status = 'completed' then
      ended_runs := ended_runs || v_map.run_id;
      ended_steps := ended_steps || v_map.step_id;
      ended_cascades := ended_cascades || false;
    elsif v_status = 'failed' then
      failed_runs := failed_runs || v_map.run_id;
    end if;
  end loop;
end
$$;

comment on function pgflow._start_steps(uuid[], int[], timestamptz, timestamptz) is
  'Start pending steps whose dependencies ended. Returns those that ended at once (skipped, empty maps) and the runs that must fail.';

create function pgflow._set_wide_outputs(run_ids uuid[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- As in _finish_runs, which leaves out the outputs of flows that have so many that they may not fit into one object.
  with outputs as (
    select r.run_id, t.step_slug,
      case when s.step_type = 'map' and t.output is null then pgflow._map_output(t.run_id, t.step_slug) else t.output end as output
    from pgflow.runs r
      join pgflow.steps s on s.flow_slug = r.flow_slug and s.flow_version = r.flow_version and s.is_output and not s.output_fits
      cross join lateral (
        select x.* from pgflow.run_steps x
        where x.run_id = r.run_id and x.step_slug = s.step_slug and x.status = 'completed' offset 0) t
    where r.run_id = any (_set_wide_outputs.run_ids)
  ), sized as (
    select o.*, (sum(pgflow._size(o.output)) over (partition by o.run_id))::bigint as bytes from outputs o
  ), joined as (
    select z.run_id, z.bytes, z.bytes <= pgflow._limit('run_output') as fits,
      pgflow._object(array_agg(z.step_slug) filter (where z.bytes <= pgflow._limit('run_output')),
        array_agg(z.output) filter (where z.bytes <= pgflow._limit('run_output'))) as output
    from sized z group by 1, 2
  )
  update pgflow.runs r
  set status = case when j.fits then 'completed' else 'failed' end, output = j.output,
    error = case when not j.fits then jsonb_build_object('code', 'OUTPUT_TOO_LARGE',
      'message', pgflow._too_large('the output of the run', j.bytes, pgflow._limit('run_output'))) end
  from joined j where r.run_id = any (array[j.run_id]);
end
$$;

comment on function pgflow._set_wide_outputs(uuid[]) is
  'The outputs of runs whose flow has many: put together if they fit, else the run fails.';

create function pgflow._release_dependents(run_ids uuid[], step_ids int[], cascades boolean[], now timestamptz,
  out cascaded_runs uuid[], out cascaded_steps int[], out waiting_runs uuid[], out waiting_steps int[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_xid bigint := pg_current_xact_id()::text::bigint;
  v_started uuid[];
  v_ready bigint;
begin
  with children as materialized (
    select e.run_id, d.step_id, d.step_slug, d.is_plain, count(*)::int as ended, bool_or(e.cascade) as cascade
    from unnest(_release_dependents.run_ids, _release_dependents.step_ids, _release_dependents.cascades) e (run_id, dep_id, cascade)
      -- offset 0 here and below: always a probe of the whole key, whatever the statistics.
      cross join lateral (select x.step_id, x.step_slug, x.is_plain from pgflow.deps x where x.dep_id = e.dep_id offset 0) d
    group by 1, 2, 3, 4 order by 1, 3
  ), found as (
    -- Pending rows change under the run lock only, so their place holds.
    select c.*, x.place
    from children c
      cross join lateral (
        select t.ctid as place from pgflow.run_steps t
        where t.run_id = c.run_id and t.step_slug = c.step_slug and t.status = 'pending' offset 0) x
  ), moved as (
    update pgflow.run_steps t
    set remaining_deps = t.remaining_deps - c.ended,
      started_at = case when not c.cascade and t.remaining_deps = c.ended and c.is_plain then _release_dependents.now end,
      finished_at = case when c.cascade then _release_dependents.now end,
      skip_reason = case when c.cascade then 'dependency_skipped' end,
      status = case when c.cascade then 'skipped' when t.remaining_deps = c.ended and c.is_plain then 'running' else 'pending' end
    from found c where t.ctid = c.place
    returning t.run_id, t.step_id, t.queue_id, t.remaining_deps, t.status
  ), queued as (
    insert into pgflow.ready_tasks (xid, run_id, queue_id, step_id, task_index)
    select v_xid, m.run_id, m.queue_id, m.step_id, -1 from moved m where m.status = 'running'
    returning 1
  )
  select array_agg(m.run_id) filter (where m.status = 'skipped'), array_agg(m.step_id) filter (where m.status = 'skipped'),
    array_agg(m.run_id) filter (where m.status = 'pending' and m.remaining_deps = 0),
    array_agg(m.step_id) filter (where m.status = 'pending' and m.remaining_deps = 0),
    array_agg(m.run_id) filter (where m.status = 'running'), (select count(*) from queued)
    into cascaded_runs, cascaded_steps, waiting_runs, waiting_steps, v_started, v_ready
  from moved m;
  if v_ready > 0 and exists (select from pgflow.paused_runs) then
    perform pgflow._park_paused(v_started, true);
  end if;
end
$$;

comment on function pgflow._release_dependents(uuid[], int[], boolean[], timestamptz) is
  'Count ended steps off their dependents: plain ones start, those of a cascade are skipped; returned are the skipped and those that need a closer look to start.';

create function pgflow._finish_runs(run_ids uuid[], step_ids int[], counted int[], now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_ended uuid[];
  v_empty uuid[];
begin
  with ended as (
    select u.run_id, count(*)::int as steps from unnest(_finish_runs.run_ids, _finish_runs.step_ids) u (run_id, step_id)
    where u.step_id = any (_finish_runs.counted) group by 1 order by 1
  ), counted as (
    update pgflow.runs r
    set remaining_steps = r.remaining_steps - e.steps,
      finished_at = case when r.remaining_steps = e.steps then _finish_runs.now end,
      status = case when r.remaining_steps = e.steps then 'completed' else r.status end,
      output = case when r.remaining_steps = e.steps then coalesce((
        select case when count(*) = 1 then jsonb_build_object((array_agg(o.step_slug))[1], (array_agg(o.output))[1])
          else pgflow._object(array_agg(o.step_slug), array_agg(o.output)) end
        from (
          select s.step_slug,
            case when s.step_type = 'map' and t.output is null then pgflow._map_output(t.run_id, t.step_slug) else t.output end as output
          from pgflow.steps s join pgflow.run_steps t on t.run_id = r.run_id and t.step_slug = s.step_slug
          where s.flow_slug = r.flow_slug and s.flow_version = r.flow_version and s.is_output and s.output_fits and t.status = 'completed') o),
        'null') end
    from ended e
    -- No mergejoin could use this, so the index has no other use than this probe, however small the table is believed to be.
    where r.run_id = any (array[e.run_id]) and r.status = 'running'
    returning r.run_id, r.status, r.output
  )
  select array_agg(c.run_id) filter (where c.status = 'completed'), array_agg(c.run_id) filter (where c.output = 'null')
    into v_ended, v_empty
  from counted c;
  if v_ended is not null then
    delete from pgflow.paused_runs p where p.run_id = any (v_ended);
    perform pgflow._notify_ended(v_ended);
    if v_empty is not null then
      perform pgflow._set_wide_outputs(v_empty);
    end if;
  end if;
end
$$;

comment on function pgflow._finish_runs(uuid[], int[], int[], timestamptz) is
  'Count those of the ended steps that are counted off their runs and complete the runs that have none left.';

create function pgflow._advance(run_ids uuid[], step_ids int[], cascades boolean[], now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_runs uuid[] := _advance.run_ids;
  v_steps int[] := _advance.step_ids;
  v_cascades boolean[] := _advance.cascades;
  v_ended_runs uuid[];
  v_ended_steps int[];
  v_counted int[];
  v_any_followed boolean;
  v_failed uuid[];
  v_next record;
  v_started record;
begin
  -- Needs the exclusive run locks, and to be called in a statement begun after they were taken and the steps ended.
  -- Each round follows the edges out of the steps that just ended, once: no edge is walked twice.
  loop
    v_ended_runs := v_ended_runs || v_runs;
    v_ended_steps := v_ended_steps || v_steps;
    select v_counted || array_agg(s.step_id) filter (where s.is_counted), bool_or(not s.is_last) into v_counted, v_any_followed
    from pgflow.steps s where s.step_id = any (v_steps);
    exit when not v_any_followed;
    v_next := pgflow._release_dependents(v_runs, v_steps, v_cascades, _advance.now);
    v_runs := v_next.cascaded_runs;
    v_steps := v_next.cascaded_steps;
    v_cascades := array_fill(true, array[coalesce(cardinality(v_steps), 0)]);
    if v_next.waiting_runs is not null then
      v_started := pgflow._start_steps(v_next.waiting_runs, v_next.waiting_steps, null, _advance.now);
      v_runs := v_runs || v_started.ended_runs;
      v_steps := v_steps || v_started.ended_steps;
      v_cascades := v_cascades || v_started.ended_cascades;
      v_failed := v_failed || v_started.failed_runs;
    end if;
    exit when v_steps is null;
  end loop;
  if v_counted is not null then
    perform pgflow._finish_runs(v_ended_runs, v_ended_steps, v_counted, _advance.now);
  end if;
  if v_failed is not null then
    perform pgflow._carry_on(null, null, null, v_failed, _advance.now);
  end if;
end
$$;

comment on function pgflow._advance(uuid[], int[], boolean[], timestamptz) is
  'Carry on from steps that ended: start, skip or complete what depends on them until nothing changes, then end the runs that are done. A true in cascades skips the dependents.';

create function pgflow._carry_on(ended_runs uuid[], ended_steps int[], ended_cascades boolean[], failed_runs uuid[], now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if _carry_on.ended_runs is not null then
    perform pgflow._advance(_carry_on.ended_runs, _carry_on.ended_steps, _carry_on.ended_cascades, _carry_on.now);
  end if;
  perform pgflow._close_run(f.run_id, 'failed',
    (select t.error from pgflow.run_steps t where t.run_id = f.run_id and t.status = 'failed' order by t.step_slug limit 1), _carry_on.now)
  from (select distinct u.run_id from unnest(_carry_on.failed_runs) u (run_id) order by 1) f;
end
$$;

comment on function pgflow._carry_on(uuid[], int[], boolean[], uuid[], timestamptz) is
  'What follows a start: advance from the steps that ended at once, close the runs in which one failed.';

create function pgflow._check_run_options(priority int, tags jsonb, idempotency_keys text[], start_at timestamptz) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if _check_run_options.priority not between -100 and 100 then
    raise exception 'priority must be between -100 and 100, not %', _check_run_options.priority using errcode = 'PF008';
  end if;
  if not isfinite(_check_run_options.start_at) then
    raise exception 'start_at must be a time, not %', _check_run_options.start_at using errcode = 'PF008';
  end if;
  -- All of them together are seldom as long as one may be.
  if octet_length(array_to_string(_check_run_options.idempotency_keys, '')) > pgflow._limit('name') then
    perform pgflow._check_name('idempotency_key', k.key) from unnest(_check_run_options.idempotency_keys) k (key)
    where octet_length(k.key) > pgflow._limit('name');
  end if;
  if jsonb_typeof(_check_run_options.tags) <> 'object' then
    raise exception 'tags must be an object, not %', jsonb_typeof(_check_run_options.tags) using errcode = 'PF008';
  elsif pgflow._size(_check_run_options.tags) > pgflow._limit('tags') then
    raise exception '%', pgflow._too_large('tags', pgflow._size(_check_run_options.tags), pgflow._limit('tags')) using errcode = 'PF007';
  end if;
end
$$;

comment on function pgflow._check_run_options(int, jsonb, text[], timestamptz) is 'PF007 or PF008 naming the argument if runs cannot start with it.';

create function pgflow._find_flow(flow_slug text, flow_version int) returns pgflow.flows
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_flow pgflow.flows;
begin
  select f.* into v_flow from pgflow.flows f
  where f.flow_slug = _find_flow.flow_slug
    and case when _find_flow.flow_version is null then f.is_active else f.flow_version = _find_flow.flow_version end;
  if not found then
    raise exception '%', case when _find_flow.flow_version is null then format('no flow "%s"', _find_flow.flow_slug)
        else format('no version %s of flow "%s"', _find_flow.flow_version, _find_flow.flow_slug) end
      using errcode = 'PF002', hint = 'Deploy it first: pgflow deploy, or select pgflow.define_flow(...).';
  end if;
  return v_flow;
end
$$;

comment on function pgflow._find_flow(text, int) is 'The flow version asked for, or the active one; PF002 if there is none.';

create function pgflow._check_inputs(flow pgflow.flows, inputs jsonb[]) returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_input text;
  v_size bigint;
  v_type text;
begin
  -- The array's own size tells of most calls that none of them is too large.
  if pg_column_size(_check_inputs.inputs) > pgflow._limit('run_input') or pg_column_compression(_check_inputs.inputs) is not null then
    select format('input %s', i.ordinality), pg_column_size(i.input) into v_input, v_size
    from unnest(_check_inputs.inputs) with ordinality i (input, ordinality)
    where pg_column_size(i.input) > pgflow._limit('run_input') order by i.ordinality limit 1;
    if found then
      raise exception '%', pgflow._too_large(v_input, v_size, pgflow._limit('run_input')) using errcode = 'PF007';
    end if;
  end if;
  if flow.map_over_run is not null then
    select coalesce(jsonb_typeof(i.input), 'null') into v_type from unnest(_check_inputs.inputs) i (input)
    where jsonb_typeof(i.input) is distinct from 'array' limit 1;
    if found then
      raise exception 'the input of flow "%" must be an array, not %: step "%" maps over it', flow.flow_slug, v_type, flow.map_over_run
        using errcode = 'PF008';
    end if;
    select format('input %s, which step "%s" maps over,', i.ordinality, flow.map_over_run), jsonb_array_length(i.input) into v_input, v_size
    from unnest(_check_inputs.inputs) with ordinality i (input, ordinality)
    where jsonb_array_length(i.input) > pgflow._limit('map_items') order by i.ordinality limit 1;
    if found then
      raise exception '%', pgflow._too_large(v_input, v_size, pgflow._limit('map_items'), 'items') using errcode = 'PF007';
    end if;
  end if;
end
$$;

comment on function pgflow._check_inputs(pgflow.flows, jsonb[]) is 'PF007 or PF008 naming the input if runs cannot start with these.';

create function pgflow._start_runs(flow_slug text, inputs jsonb[], run_ids uuid[], inout flow_version int, idempotency_keys text[],
  priority int, start_at timestamptz, tags jsonb, out started uuid[], out may_have_ended boolean)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_xid bigint := pg_current_xact_id()::text::bigint;
  v_owner text := pgflow._caller();
  v_flow pgflow.flows;
  v_not_before timestamptz := case when _start_runs.start_at > v_now then _start_runs.start_at end;
  v_priority int;
  v_later uuid := pgflow._run_id_at(v_now + interval '10 seconds');
  v_waiting record;
  v_next record;
begin
  perform pgflow_locks.use_flow(_start_runs.flow_slug);
  v_flow := pgflow._find_flow(_start_runs.flow_slug, _start_runs.flow_version);
  _start_runs.flow_version := v_flow.flow_version;
  perform pgflow._check_run_options(_start_runs.priority, _start_runs.tags, _start_runs.idempotency_keys, _start_runs.start_at);
  perform pgflow._check_inputs(v_flow, _start_runs.inputs);
  v_priority := coalesce(_start_runs.priority, (v_flow.definition -> 'options' ->> 'priority')::int, 0);
  with inserted as (
    insert into pgflow.runs as r (created_at, run_id, flow_version, priority, forced_priority, id_is_ahead, flow_slug,
      idempotency_key, owner, tags, input, remaining_steps, status)
    select v_now, u.run_id, v_flow.flow_version, v_priority,
      _start_runs.priority, u.run_id >= v_later, v_flow.flow_slug, u.idempotency_key, v_owner,
      coalesce(_start_runs.tags, '{}'), coalesce(u.input, 'null'), v_flow.counted_steps, 'running'
    -- A key that another transaction is inserting is waited for: in the order of the keys, so not in a circle.
    from (
      select * from unnest(_start_runs.run_ids, _start_runs.inputs, _start_runs.idempotency_keys)
        with ordinality u (run_id, input, idempotency_key, ordinality)
      order by u.idempotency_key, u.ordinality) u
    on conflict do nothing
    returning r.run_id
  )
  select array_agg(i.run_id order by i.run_id) into _start_runs.started from inserted i;
  if _start_runs.started is null then
    return;
  end if;

  with written as (
    insert into pgflow.run_steps (run_id, step_id, queue_id, step_slug, remaining_deps, started_at, status)
    select u.run_id, s.step_id,
      coalesce(q.queue_id, pgflow._queue_id(s.executor, coalesce(_start_runs.priority, s.priority))),
      s.step_slug, s.dep_count, case when s.dep_count = 0 and s.is_plain and v_not_before is null then v_now end,
      case when s.dep_count = 0 and s.is_plain and v_not_before is null then 'running' else 'pending' end
    from unnest(_start_runs.started) with ordinality u (run_id, ordinality), pgflow.steps s
      left join pgflow.queues q on q.executor = s.executor and q.priority = coalesce(_start_runs.priority, s.priority)
    where s.flow_slug = v_flow.flow_slug and s.flow_version = v_flow.flow_version
    -- The steps of a run side by side: a wave of claims then spreads over pages that have room (WAL of a chained step 1441 -> 1322 B).
    order by u.ordinality
    returning run_id, queue_id, step_id, remaining_deps, status
  ), queued as (
    insert into pgflow.ready_tasks (xid, run_id, queue_id, step_id, task_index)
    select v_xid, w.run_id, w.queue_id, w.step_id, -1 from written w where w.status = 'running'
    returning 1
  )
  select array_agg(w.run_id) as run_ids, array_agg(w.step_id) as step_ids, (select count(*) from queued) as queued into v_waiting
  from written w where w.remaining_deps = 0 and w.status = 'pending';
  _start_runs.may_have_ended := v_waiting.run_ids is not null;
  if _start_runs.may_have_ended then
    v_next := pgflow._start_steps(v_waiting.run_ids, v_waiting.step_ids, v_not_before, v_now);
    perform pgflow._carry_on(v_next.ended_runs, v_next.ended_steps, v_next.ended_cascades, v_next.failed_runs, v_now);
  end if;
end
$$;

comment on function pgflow._start_runs(text, jsonb[], uuid[], int, text[], int, timestamptz, jsonb) is
  'Write runs with these ids, ascending, and start their root steps. Returns the version taken, the ids that were new (the others met an existing run id or idempotency key), and whether some may have ended already.';

-- A composite type, because plpgsql does not let an argument and a column of `returns table` share a name, and both names are the contract.
create type pgflow.started_run as (run_id uuid, status text, flow_version int, created boolean);

comment on type pgflow.started_run is 'A row of run_flow.';

create function pgflow.run_flow(flow_slug text, input jsonb default '{}', run_id uuid default null, flow_version int default null,
  idempotency_key text default null, priority int default null, start_at timestamptz default null, tags jsonb default '{}')
  returns setof pgflow.started_run
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_id uuid := coalesce(run_flow.run_id, pgflow._new_run_id());
  v_new record;
  v_run pgflow.runs;
begin
  v_new := pgflow._start_runs(run_flow.flow_slug, array[run_flow.input], array[v_id], run_flow.flow_version,
    array[run_flow.idempotency_key], run_flow.priority, run_flow.start_at, run_flow.tags);
  if v_new.started is not null then
    perform pgflow._notify();
  end if;
  if v_new.started is not null and not v_new.may_have_ended then
    return next (v_id, 'running', v_new.flow_version, true)::pgflow.started_run;
    return;
  end if;
  select r.* into v_run from pgflow.runs r where r.run_id = v_id;
  if v_new.started is null and found then
    perform pgflow._check_owner(v_run.owner, format('run %s', v_id));
    if v_run.flow_slug <> run_flow.flow_slug or v_run.input <> coalesce(run_flow.input, 'null')
      or v_run.flow_version <> coalesce(run_flow.flow_version, v_run.flow_version)
      or v_run.idempotency_key is distinct from coalesce(run_flow.idempotency_key, v_run.idempotency_key) then
      raise exception 'run % exists already with another flow or input', v_id
        using errcode = 'PF004', detail = format('it is a run of flow "%s" version %s', v_run.flow_slug, v_run.flow_version),
        hint = 'Give every run an id of its own, or leave it out.';
    end if;
  elsif v_new.started is null then
    select r.* into strict v_run from pgflow.runs r
    where r.flow_slug = run_flow.flow_slug and r.idempotency_key = run_flow.idempotency_key;
    perform pgflow._check_owner(v_run.owner, format('the run of flow "%s" with idempotency key "%s"', v_run.flow_slug, v_run.idempotency_key));
  end if;
  return next (v_run.run_id, v_run.status, v_run.flow_version, v_new.started is not null)::pgflow.started_run;
end
$$;

comment on function pgflow.run_flow(text, jsonb, uuid, int, text, int, timestamptz, jsonb) is
  'Start a run in the caller''s transaction. The same run_id or idempotency_key again returns the first run. PF002 no such flow, PF004 the run_id is another run''s, PF006 it is another user''s, PF008 bad input.';

create function pgflow.run_flows(flow_slug text, inputs jsonb[], flow_version int default null, idempotency_keys text[] default null,
  priority int default null, start_at timestamptz default null, tags jsonb default '{}')
  returns table (ordinal int, run_id uuid, created boolean)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_count int := coalesce(cardinality(run_flows.inputs), 0);
  v_ids uuid[];
  v_started uuid[];
begin
  if run_flows.idempotency_keys is not null and cardinality(run_flows.idempotency_keys) <> v_count then
    raise exception 'idempotency_keys must be as many as inputs: % inputs, % keys', v_count, cardinality(run_flows.idempotency_keys) using errcode = 'PF008';
  end if;
  -- Ascending: _start_runs queues the runs in the order of their ids.
  select array_agg(i.run_id order by i.run_id) into v_ids
  from (select pgflow._new_run_id() as run_id from generate_series(1, v_count)) i;
  v_started := (pgflow._start_runs(run_flows.flow_slug, run_flows.inputs, v_ids, run_flows.flow_version,
    coalesce(run_flows.idempotency_keys, array_fill(null::text, array[v_count])), run_flows.priority, run_flows.start_at, run_flows.tags)).started;
  if v_started is not null then
    perform pgflow._notify();
  end if;
  if cardinality(v_started) = v_count then
    return query select u.ordinality::int, u.run_id, true from unnest(v_ids) with ordinality u (run_id, ordinality);
  else
    perform pgflow._check_owner(r.owner, format('the run of flow "%s" with idempotency key "%s"', r.flow_slug, r.idempotency_key))
    from pgflow.runs r where r.flow_slug = run_flows.flow_slug and r.idempotency_key = any (run_flows.idempotency_keys);
    return query
    select u.ordinality::int, r.run_id, r.run_id = u.run_id
    from unnest(v_ids, run_flows.idempotency_keys) with ordinality u (run_id, idempotency_key, ordinality)
      cross join lateral (
        -- Each by its own index: with an `or` every run there is would be read.
        select x.run_id from pgflow.runs x where x.run_id = u.run_id
        union all
        select x.run_id from pgflow.runs x
        where x.flow_slug = run_flows.flow_slug and x.idempotency_key = u.idempotency_key and x.run_id <> u.run_id) r
    order by u.ordinality;
  end if;
end
$$;

comment on function pgflow.run_flows(text, jsonb[], int, text[], int, timestamptz, jsonb) is
  'Start many runs of one flow, all or nothing. created is false where an idempotency key met an existing run; PF006 if that is another user''s.';

create function pgflow.start_flow(flow_slug text, input jsonb default '{}', idempotency_key text default null, tags jsonb default '{}')
  returns setof pgflow.started_run
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_key text := start_flow.idempotency_key;
begin
  if pgflow._is_user() then
    if not exists (
      select from pgflow.open_flows o
      where o.flow_slug = start_flow.flow_slug and pgflow._has_role(pgflow._effective_role(), array[o.role_name])) then
      -- In the words of run_flow: which other flows there are is not for users.
      raise exception 'no flow "%"', start_flow.flow_slug using errcode = 'PF002',
        hint = 'Users start what is deployed and open to them: select pgflow.open_flow(...).';
    end if;
    -- A user's keys are his own: as they are they would tell of another's, or take it away.
    v_key := case when v_key is not null then jsonb_build_array(pgflow._caller(), v_key)::text end;
  end if;
  return query
  select s.*
  from pgflow.run_flow(start_flow.flow_slug, start_flow.input, idempotency_key => v_key, tags => start_flow.tags) s;
end
$$;

comment on function pgflow.start_flow(text, jsonb, text, jsonb) is
  'Start a run as a user of an application: of a flow that open_flow opened, with idempotency keys of his own. PF002 for any other flow; else as run_flow, which it is for everybody who is no user.';

create view pgflow._tasks as
select t.run_id, t.step_slug, 0 as task_index, -1 as ready_index, t.step_id, t.queue_id, false as is_map, t.status = 'running' as is_live,
  case t.status
    when 'running' then pgflow.live_status(t.lease_expires_at, t.task_started_at)
    when 'skipped' then 'failed'
    else t.status
  end as status,
  t.attempt, t.failures, t.launch_failures, t.task_started_at, t.lease_expires_at, t.visible_at, t.token_hash, t.worker_id,
  t.external_id, t.instance_id, null::jsonb as input, t.output, t.error, t.started_at as queued_at, t.finished_at
from pgflow.run_steps t
  join pgflow.steps s on s.step_id = t.step_id
where s.step_type = 'single' and t.started_at is not null
union all
select t.run_id, t.step_slug, t.task_index, t.task_index, t.step_id, r.queue_id, true, t.end_status is null,
  coalesce(t.end_status, pgflow.live_status(t.lease_expires_at, t.task_started_at)),
  t.attempt, t.failures, t.launch_failures, t.task_started_at, t.lease_expires_at, t.visible_at, t.token_hash, t.worker_id,
  t.external_id, t.instance_id, t.input, t.output, t.error, r.started_at, t.finished_at
from pgflow.map_tasks t
  join pgflow.run_steps r on r.run_id = t.run_id and r.step_slug = t.step_slug
-- Not yet started again: its items are those of the round before.
where r.started_at is not null;

comment on view pgflow._tasks is 'Every task with the columns that only the engine may see.';

-- Of the tables, not of _tasks: a reader has no right to token_hash, which is part of that view.
create view pgflow.step_tasks with (security_invoker) as
select t.run_id, t.step_slug, t.task_index, t.status, t.attempt, t.failures, t.launch_failures, x.executor, t.worker_id, t.external_id,
  case when t.status = 'queued' then coalesce(t.visible_at, t.queued_at) end as visible_at,
  case when t.status in ('claimed', 'running') then t.lease_expires_at end as lease_expires_at,
  t.input, t.output, case when t.status <> 'completed' then t.error end as error, t.queued_at,
  case when t.status <> 'queued' then t.task_started_at end as started_at, t.finished_at
from (
    select r.run_id, r.step_slug, 0 as task_index, r.step_id,
      case r.status when 'running' then pgflow.live_status(r.lease_expires_at, r.task_started_at) when 'skipped' then 'failed'
        else r.status end as status,
      r.attempt, r.failures, r.launch_failures, r.worker_id, r.external_id, r.visible_at, r.lease_expires_at, null::jsonb as input,
      r.output, r.error, r.started_at as queued_at, r.task_started_at, r.finished_at
    from pgflow.run_steps r
      join pgflow.steps s on s.step_id = r.step_id
    where s.step_type = 'single' and r.started_at is not null
    union all
    select m.run_id, m.step_slug, m.task_index, m.step_id, coalesce(m.end_status, pgflow.live_status(m.lease_expires_at, m.task_started_at)),
      m.attempt, m.failures, m.launch_failures, m.worker_id, m.external_id, m.visible_at, m.lease_expires_at, m.input,
      m.output, m.error, r.started_at, m.task_started_at, m.finished_at
    from pgflow.map_tasks m
      join pgflow.run_steps r on r.run_id = m.run_id and r.step_slug = m.step_slug
    where r.started_at is not null) t
  join pgflow.steps x on x.step_id = t.step_id;

comment on view pgflow.step_tasks is 'One row a task: the only one of a single step that started (index 0), or one an item of a map step.';
comment on column pgflow.step_tasks.run_id is 'The run.';
comment on column pgflow.step_tasks.step_slug is 'The step.';
comment on column pgflow.step_tasks.task_index is 'Index of the map item; 0 for a single step.';
comment on column pgflow.step_tasks.status is 'queued, claimed (launched, not begun), running, completed, failed or cancelled.';
comment on column pgflow.step_tasks.attempt is 'Number of the latest attempt, +1 at each claim; 0 before the first.';
comment on column pgflow.step_tasks.failures is 'Attempts that failed, timed out or were lost since the run was last reopened; max_attempts is their limit.';
comment on column pgflow.step_tasks.launch_failures is 'Launches that came to nothing since then; 5 is their limit.';
comment on column pgflow.step_tasks.executor is 'Who runs it.';
comment on column pgflow.step_tasks.worker_id is 'Who claimed the latest attempt.';
comment on column pgflow.step_tasks.external_id is 'How the executor names the latest attempt.';
comment on column pgflow.step_tasks.visible_at is 'While queued: not to be claimed before.';
comment on column pgflow.step_tasks.lease_expires_at is 'While claimed or running: when the attempt counts as lost unless the lease is renewed.';
comment on column pgflow.step_tasks.input is 'The map item; null for a single step, whose input is put together at its claim.';
comment on column pgflow.step_tasks.output is 'SQL NULL: none yet. JSON null: an output that is null.';
comment on column pgflow.step_tasks.error is 'Of the latest attempt that failed; null once the task completed.';
comment on column pgflow.step_tasks.queued_at is 'When its step started.';
comment on column pgflow.step_tasks.started_at is 'When the latest attempt began; null while queued or claimed.';
comment on column pgflow.step_tasks.finished_at is 'When the task ended; null while it lives.';

create view pgflow.step_states with (security_invoker) as
select t.run_id, t.step_slug, t.status,
  case when s.step_type = 'single' then 1 else t.task_count end as task_count,
  case when s.step_type = 'map' and t.status = 'completed' and t.output is null then (
      -- As _map_output, which readers may not call.
      select coalesce(to_jsonb(array_agg(m.output order by m.task_index)), '[]') from pgflow.map_tasks m
      where m.run_id = t.run_id and m.step_slug = t.step_slug)
    else t.output end as output,
  case when t.status in ('failed', 'skipped') then t.error end as error,
  t.skip_reason, t.started_at, t.finished_at
from pgflow.run_steps t
  join pgflow.steps s on s.step_id = t.step_id;

comment on view pgflow.step_states is 'One row a step of a run. The output of a map step is put together from its items when nobody needed it as a whole yet.';
comment on column pgflow.step_states.run_id is 'The run.';
comment on column pgflow.step_states.step_slug is 'The step.';
comment on column pgflow.step_states.status is 'pending, running, completed, failed, skipped or cancelled.';
comment on column pgflow.step_states.task_count is '1 for a single step, the number of items for a map that started.';
comment on column pgflow.step_states.output is 'SQL NULL: none yet. JSON null: an output that is null. Of a map: the outputs of its items in their order, null for one that failed.';
comment on column pgflow.step_states.error is 'Why it failed, or was skipped after a failure.';
comment on column pgflow.step_states.skip_reason is 'condition_unmet, handler_failed or dependency_skipped; null unless skipped.';
comment on column pgflow.step_states.started_at is 'When it started; null for a step that never did.';
comment on column pgflow.step_states.finished_at is 'When it ended; null while it lives.';

create view pgflow.task_attempts with (security_invoker) as
select a.run_id, a.step_slug, a.task_index, a.attempt, a.outcome, a.error, a.worker_id, a.external_id, a.started_at, a.ended_at, a.log_tail
from pgflow.step_task_attempts a
union all
select t.run_id, t.step_slug, t.task_index, t.attempt, t.status, null, t.worker_id, t.external_id, t.started_at, t.finished_at, l.log_tail
from pgflow.step_tasks t
  left join pgflow.completed_task_logs l
    on l.run_id = t.run_id and l.step_slug = t.step_slug and l.task_index = t.task_index and l.attempt = t.attempt
where t.attempt > 0 and t.status in ('claimed', 'running', 'completed')
  and not exists (
    select from pgflow.step_task_attempts a
    where a.run_id = t.run_id and a.step_slug = t.step_slug and a.task_index = t.task_index and a.attempt = t.attempt)
union all
select a.run_id, a.step_slug, a.task_index, a.attempt, 'completed', null, a.worker_id, a.external_id, a.started_at, a.ended_at, l.log_tail
from pgflow.superseded_attempts a
  left join pgflow.completed_task_logs l
    on l.run_id = a.run_id and l.step_slug = a.step_slug and l.task_index = a.task_index and l.attempt = a.attempt;

comment on view pgflow.task_attempts is 'Every attempt: live and completed ones by status, the others by outcome. A late one was declared lost and reported after all.';
comment on column pgflow.task_attempts.run_id is 'The run.';
comment on column pgflow.task_attempts.step_slug is 'The step.';
comment on column pgflow.task_attempts.task_index is 'Index of the map item; 0 for a single step.';
comment on column pgflow.task_attempts.attempt is 'Number of the attempt, from 1.';
comment on column pgflow.task_attempts.outcome is 'claimed, running, completed, or how else it ended: failed, timed_out, lost, launch_failed, released, cancelled, late.';
comment on column pgflow.task_attempts.error is 'Why it did not complete.';
comment on column pgflow.task_attempts.worker_id is 'Who claimed it.';
comment on column pgflow.task_attempts.external_id is 'How the executor names it.';
comment on column pgflow.task_attempts.started_at is 'When it began; null if it has not, or never did.';
comment on column pgflow.task_attempts.ended_at is 'When it ended; null while it lives.';
comment on column pgflow.task_attempts.log_tail is 'The end of what it wrote to its standard output and error.';

create view pgflow.task_logs with (security_invoker) as
select l.run_id, l.step_slug, l.task_index, l.attempt, l.log_tail, l.recorded_at
from pgflow.completed_task_logs l
union all
select a.run_id, a.step_slug, a.task_index, a.attempt, a.log_tail, a.ended_at
from pgflow.step_task_attempts a
where a.log_tail is not null;

comment on view pgflow.task_logs is 'The end of what each attempt wrote to its standard output and error.';
comment on column pgflow.task_logs.run_id is 'The run.';
comment on column pgflow.task_logs.step_slug is 'The step.';
comment on column pgflow.task_logs.task_index is 'Index of the map item; 0 for a single step.';
comment on column pgflow.task_logs.attempt is 'Number of the attempt.';
comment on column pgflow.task_logs.log_tail is 'The end of what it wrote to its standard output and error.';
comment on column pgflow.task_logs.recorded_at is 'When it was reported.';

create function pgflow._lock_live_rows(run_id uuid, step_slug text) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- After the run lock. Keeps claims and heartbeats, which take no run lock, from these rows while they are ended.
  perform from pgflow.run_steps t
  where t.run_id = _lock_live_rows.run_id and t.step_slug = coalesce(_lock_live_rows.step_slug, t.step_slug)
    and t.status in ('pending', 'running')
  order by t.step_slug
  for update;
  perform from pgflow.map_tasks t
  where t.run_id = _lock_live_rows.run_id and t.step_slug = coalesce(_lock_live_rows.step_slug, t.step_slug) and t.end_status is null
  order by t.step_slug, t.task_index
  for update;
end
$$;

comment on function pgflow._lock_live_rows(uuid, text) is 'Lock what is alive of a run, or of one of its steps, in the lock order.';

create function pgflow._cancel_tasks(run_id uuid, step_slug text, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  perform pgflow._lock_live_rows(_cancel_tasks.run_id, _cancel_tasks.step_slug);
  insert into pgflow.step_task_attempts (run_id, step_slug, task_index, attempt, outcome, ended_by, worker_id, external_id, started_at,
    ended_at, token_hash)
  select t.run_id, t.step_slug, t.task_index, t.attempt, 'cancelled', 'close', t.worker_id, t.external_id, t.task_started_at,
    _cancel_tasks.now, t.token_hash
  from pgflow._tasks t
  where t.run_id = _cancel_tasks.run_id and t.step_slug = coalesce(_cancel_tasks.step_slug, t.step_slug)
    and t.is_live and t.lease_expires_at is not null
  on conflict on constraint step_task_attempts_pkey do nothing;
  update pgflow.launches l set look_at = _cancel_tasks.now
  where l.run_id = _cancel_tasks.run_id and l.step_slug = coalesce(_cancel_tasks.step_slug, l.step_slug);
  -- Tokens stay, so that a heartbeat can be answered 'cancel'.
  update pgflow.map_tasks t
  set end_status = 'cancelled', finished_at = _cancel_tasks.now
  where t.run_id = _cancel_tasks.run_id and t.step_slug = coalesce(_cancel_tasks.step_slug, t.step_slug) and t.end_status is null;
  delete from pgflow.map_counters c
  where c.run_id = _cancel_tasks.run_id and c.step_slug = coalesce(_cancel_tasks.step_slug, c.step_slug);
end
$$;

comment on function pgflow._cancel_tasks(uuid, text, timestamptz) is
  'Cancel the live tasks of a run, or of one of its steps, and keep a row of their attempts. The step rows are the caller''s to end.';

create function pgflow._close_run(run_id uuid, status text, error jsonb, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Needs the exclusive run lock.
  perform pgflow._cancel_tasks(_close_run.run_id, null, _close_run.now);
  update pgflow.run_steps s
  set status = 'cancelled', finished_at = _close_run.now
  where s.run_id = _close_run.run_id and s.status in ('pending', 'running');
  update pgflow.runs r
  set status = _close_run.status, error = _close_run.error, finished_at = _close_run.now
  where r.run_id = _close_run.run_id and r.status = 'running';
  delete from pgflow.paused_runs p where p.run_id = _close_run.run_id;
  delete from pgflow.parked_tasks p where p.run_id = _close_run.run_id;
  perform pgflow._notify_ended(array[_close_run.run_id]);
end
$$;

comment on function pgflow._close_run(uuid, text, jsonb, timestamptz) is
  'End a run as failed or cancelled: everything alive in it is cancelled. Its entries in ready_tasks are dropped by the next claim.';

create function pgflow._note_launches(executor text, worker_id text, run_ids uuid[], step_ids int[], task_indexes int[], now timestamptz)
  returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.launches (run_id, step_slug, task_index, attempt, executor, worker_id, external_id, claimed_at, launch_deadline, look_at)
  select t.run_id, t.step_slug, 0, t.attempt, _note_launches.executor, t.worker_id, t.external_id, _note_launches.now, t.lease_expires_at,
    _note_launches.now + interval '15 seconds'
  from unnest(_note_launches.run_ids, _note_launches.step_ids, _note_launches.task_indexes) u (run_id, step_id, task_index)
    cross join lateral (select x.step_slug from pgflow.steps x where x.step_id = u.step_id offset 0) s
    cross join lateral (select x.* from pgflow.run_steps x where x.run_id = u.run_id and x.step_slug = s.step_slug offset 0) t
  where u.task_index = -1 and t.worker_id = _note_launches.worker_id and t.external_id is not null and t.lease_expires_at is not null
  union all
  select t.run_id, t.step_slug, t.task_index, t.attempt, _note_launches.executor, t.worker_id, t.external_id, _note_launches.now,
    t.lease_expires_at, _note_launches.now + interval '15 seconds'
  from unnest(_note_launches.run_ids, _note_launches.step_ids, _note_launches.task_indexes) u (run_id, step_id, task_index)
    cross join lateral (select x.step_slug from pgflow.steps x where x.step_id = u.step_id offset 0) s
    cross join lateral (
      select x.* from pgflow.map_tasks x
      where x.run_id = u.run_id and x.step_slug = s.step_slug and x.task_index = u.task_index offset 0) t
  where u.task_index >= 0 and t.worker_id = _note_launches.worker_id and t.external_id is not null and t.lease_expires_at is not null
  -- Of the tasks popped some may have been claimed before: their rows are there.
  on conflict on constraint launches_pkey do nothing;
end
$$;

comment on function pgflow._note_launches(text, text, uuid[], int[], int[], timestamptz) is
  'Note attempts just claimed in mode launch, in the transaction that claims them: before anything is asked of another place.';

create function pgflow._drop_dead_ready(queue pgflow.queues, max_entries int) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  delete from pgflow.ready_tasks t
  where t.ctid = any (array(
    select o.ctid from pgflow.ready_tasks o
    where o.ctid = any (array(
        select x.ctid from pgflow.ready_tasks x
        where x.queue_id = queue.queue_id and (x.xid, x.seq) >= (pgflow._low_mark(queue.low_xid), queue.low_seq)
        order by x.xid, x.seq
        limit _drop_dead_ready.max_entries))
      -- Not by an antijoin: rows are found by their keys whatever the statistics.
      and (
        select true
        from pgflow.steps s
          cross join lateral (
            select from pgflow.run_steps x
            where x.run_id = o.run_id and x.step_slug = s.step_slug and x.status = 'running' offset 0) r
        where s.step_id = o.step_id) is null
    for update skip locked));
end
$$;

comment on function pgflow._drop_dead_ready(pgflow.queues, int) is
  'Drop the oldest entries of steps that ended: a cancelled run leaves as many as it had tasks queued.';

create function pgflow._pop_ready(queue pgflow.queues, max_tasks int,
  out run_ids uuid[], out step_ids int[], out task_indexes int[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_low bigint := pgflow._low_mark(queue.low_xid);
  v_first_xid bigint;
  v_first_seq bigint;
  v_next_xid bigint;
  v_next_seq bigint;
begin
  with popped as (
    delete from pgflow.ready_tasks t
    where t.ctid = any (array(
      select x.ctid from pgflow.ready_tasks x
      where x.queue_id = queue.queue_id and (x.xid, x.seq) >= (v_low, queue.low_seq)
      order by x.xid, x.seq
      limit _pop_ready.max_tasks
      for update skip locked))
    returning t.xid, t.seq, t.run_id, t.step_id, t.task_index
  )
  select array_agg(p.run_id order by p.xid, p.seq), array_agg(p.step_id order by p.xid, p.seq),
    array_agg(p.task_index order by p.xid, p.seq), (array_agg(p.xid order by p.xid, p.seq))[1], (array_agg(p.seq order by p.xid, p.seq))[1]
    into run_ids, step_ids, task_indexes, v_first_xid, v_first_seq
  from popped p;

  -- Move the mark now and then: after 64 transactions, or 1000 entries (a map of 20,000 items is one transaction).
  -- Safe: an open transaction has an id of at least the snapshot's xmin, so nothing can appear below it; entries that other
  -- claimers hold locked are still visible and hold the mark back.
  if v_first_xid > v_low + 64 or v_first_seq not between queue.low_seq - 1000 and queue.low_seq + 1000 or v_low <> queue.low_xid then
    select least(o.xid, s.xmin), case when o.xid < s.xmin then o.seq else 0 end into v_next_xid, v_next_seq
    from (select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin) s
      left join lateral (
        select x.xid, x.seq from pgflow.ready_tasks x
        where x.queue_id = queue.queue_id and (x.xid, x.seq) >= (v_low, queue.low_seq)
        order by x.xid, x.seq limit 1) v on true
      cross join lateral (select coalesce(v.xid, v_first_xid) as xid, coalesce(v.seq, v_first_seq) as seq) o;
    if (v_next_xid, v_next_seq) <> (queue.low_xid, queue.low_seq) then
      update pgflow.queues q
      set low_xid = v_next_xid, low_seq = v_next_seq
      where q.ctid = any (array(select y.ctid from pgflow.queues y where y.queue_id = queue.queue_id for update skip locked));
    end if;
  end if;
end
$$;

comment on function pgflow._pop_ready(pgflow.queues, int) is
  'Take the oldest ready entries of a queue that nobody else is taking. Their tasks are not touched yet.';

create function pgflow._external_id(run_id uuid, step_slug text, task_index int, attempt int) returns text
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  return format('pgf-%s-%s',
    left(encode(sha256(convert_to(format('%s/%s/%s', _external_id.run_id, _external_id.step_slug, _external_id.task_index), 'UTF8')), 'hex'), 26),
    _external_id.attempt);
end
$$;

comment on function pgflow._external_id(uuid, text, int, int) is
  'The name of an attempt in the place it is launched to, the same whoever computes it: at most 52 characters of a-z, 0-9 and dash.';

create function pgflow._last_of_kind(task_indexes int[], first int) returns int
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  for i in _last_of_kind.first + 1 .. cardinality(_last_of_kind.task_indexes) loop
    if (_last_of_kind.task_indexes[i] < 0) <> (_last_of_kind.task_indexes[_last_of_kind.first] < 0) then
      return i - 1;
    end if;
  end loop;
  return cardinality(_last_of_kind.task_indexes);
end
$$;

comment on function pgflow._last_of_kind(int[], int) is
  'Where the neighbours end that are of one kind with the first: tasks of single steps (index -1), or items of maps.';

create function pgflow._put_back(run_ids uuid[], step_ids int[], task_indexes int[], now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_found record;
begin
  for v_found in
    select t.visible_at > _put_back.now as is_early, array_agg(t.run_id order by t.ordinality) as run_ids,
      array_agg(t.step_id order by t.ordinality) as step_ids, array_agg(t.task_index order by t.ordinality) as indexes,
      array_agg(t.queue_id order by t.ordinality) as queue_ids, array_agg(t.visible_at order by t.ordinality) as due_ats
    from pgflow._live_tasks(_put_back.run_ids, _put_back.step_ids, _put_back.task_indexes) t
    where t.lease_expires_at is null
    group by 1
  loop
    if v_found.is_early then
      perform pgflow._set_timers('delay', v_found.run_ids, v_found.step_ids, v_found.indexes, v_found.due_ats);
    else
      perform pgflow._enqueue(v_found.run_ids, v_found.step_ids, v_found.indexes, v_found.queue_ids);
    end if;
  end loop;
end
$$;

comment on function pgflow._put_back(uuid[], int[], int[], timestamptz) is
  'Queue again those of these entries whose task could be claimed but was not: its row was locked, its run is paused, or its time has not come.';

-- Without a pinned search_path, so that the planner inlines it (a function call a row would cost more than the rest of a claim);
-- every name in it is qualified. offset 0: the dependencies are probed; a run may have a thousand other steps.
create function pgflow._dependency_outputs(run_id uuid, step_id int) returns setof jsonb
language sql stable
as $$
  select coalesce(pgflow._object(pg_catalog.array_agg(d.dep_slug), pg_catalog.array_agg(t.output)), '{}')
  from pgflow.deps d
    cross join lateral (
      select x.output from pgflow.run_steps x
      where x.run_id = _dependency_outputs.run_id and x.step_slug = d.dep_slug and x.status = 'completed' offset 0) t
  where d.step_id = _dependency_outputs.step_id and d.is_input
$$;

comment on function pgflow._dependency_outputs(uuid, int) is 'What a step receives from its dependencies, one row: one key a completed one.';

create function pgflow._claim(executor text, worker_id text, max_tasks int, lease_seconds double precision, mode text, inputs text,
  flows text[] default null)
  returns table (run_id uuid, flow_slug text, flow_version int, step_slug text, step_type text, task_index int, attempt int,
    attempt_token uuid, handler text, params jsonb, input jsonb, executor_options jsonb, timeout_seconds double precision,
    heartbeat_timeout_seconds double precision, max_attempts int, failures int, priority int, external_id text,
    lease_expires_at timestamptz)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_left int := _claim.max_tasks;
  v_queues pgflow.queues[];
  v_queue pgflow.queues;
  v_popped record;
  v_asked int;
  v_first int;
  v_last int;
  v_back_runs uuid[];
  v_back_steps int[];
  v_back_indexes int[];
  v_count int;
  v_held bigint;
  v_is_due boolean;
  v_is_paused boolean;
  v_is_probe boolean;
  v_wanted int[];
begin
  if _claim.flows is not null then
    v_wanted := array(select s.step_id from pgflow.steps s where s.flow_slug = any (_claim.flows));
  end if;
  -- One look for all that a claim must know. A mark ahead of the clock: the clock went back. Every 30 s below the mark too, for
  -- transactions that committed late.
  select
    exists (
      select from pgflow.sweep_marks m
      where m.full_sweep_at not between v_now - interval '30 seconds' and v_now
        or exists (
          select from pgflow.timers t
          where t.due_at between case when m.timer_low > v_now then '-infinity' else m.timer_low end and v_now
          order by t.due_at limit 1)),
    exists (select from pgflow.executors e where e.executor = _claim.executor and e.paused_at is not null),
    array(select q from pgflow.queues q where q.executor = _claim.executor order by q.priority desc)
    into v_is_due, v_is_paused, v_queues;
  if v_is_due then
    perform pgflow._sweep_due(v_now);
  end if;
  if v_is_paused then
    perform from pgflow.executors e where e.executor = _claim.executor and e.probe_at <= v_now for no key update skip locked;
    v_is_probe := found;
    v_left := case when found then least(v_left, 1) else 0 end;
  end if;
  foreach v_queue in array v_queues loop
    v_held := 0;
    -- Bounded: entries whose rows somebody holds go behind the others, and the next claim gets on.
    while v_left > 0 and v_held < 1000 loop
      v_asked := v_left;
      if v_wanted is null then
        v_popped := pgflow._pop_ready(v_queue, v_left);
      else
        v_popped := pgflow._pop_ready_of_steps(v_queue, v_left, v_wanted);
      end if;
      exit when v_popped.run_ids is null;
      v_first := 1;
      -- Single tasks and items of maps are kept apart: neighbours of a kind are taken at a time, so that all come in their order.
      -- skip locked: a closer that holds a row may still roll back, and nobody waits for it. What is not taken is looked at again.
      -- Subqueries that lock, give a value or have an offset cannot be flattened: whatever the statistics, rows are found by their whole key.
      loop
        v_last := case when -1 = all (v_popped.task_indexes) or 0 <= all (v_popped.task_indexes) then cardinality(v_popped.task_indexes)
          else pgflow._last_of_kind(v_popped.task_indexes, v_first) end;
        if v_popped.task_indexes[v_first] = -1 then
          return query
          update pgflow.run_steps t
          set attempt = t.attempt + 1, token_hash = pgflow._token_hash(f.token), worker_id = _claim.worker_id, instance_id = null,
            task_started_at = case when _claim.mode = 'start' then v_now end,
            lease_expires_at = v_now + make_interval(secs =>
              case when _claim.mode = 'start' then _claim.lease_seconds else f.launch_timeout end),
            external_id = case when _claim.mode <> 'start' then pgflow._external_id(t.run_id, t.step_slug, 0, t.attempt + 1) end
          from (
            select x.place, gen_random_uuid() as token, s.*
            from unnest(v_popped.run_ids[v_first:v_last], v_popped.step_ids[v_first:v_last], v_popped.task_indexes[v_first:v_last])
                with ordinality u (run_id, step_id, task_index, ordinality)
              cross join lateral (
                select x.flow_slug, x.flow_version, x.step_slug, x.step_type, x.needs_run_input, x.dep_count, x.handler, x.params,
                  x.executor_options, x.timeout, x.launch_timeout, x.heartbeat_timeout, x.max_attempts
                from pgflow.steps x where x.step_id = u.step_id offset 0) s
              cross join lateral (
                select x.ctid as place from pgflow.run_steps x
                where x.run_id = u.run_id and x.step_slug = s.step_slug and x.status = 'running'
                  and x.lease_expires_at is null and (x.visible_at is null or x.visible_at <= v_now)
                for no key update of x skip locked) x
            where not exists (select from pgflow.paused_runs)
              or (select true from pgflow.paused_runs p where p.run_id = u.run_id) is null
            order by u.ordinality) f
          where t.ctid = f.place
          returning t.run_id, f.flow_slug, f.flow_version, t.step_slug, f.step_type, 0, t.attempt, f.token, f.handler, f.params,
            case when _claim.inputs <> 'none' then
              case when f.needs_run_input then jsonb_build_object('run', (select r.input from pgflow.runs r where r.run_id = t.run_id))
                else '{}' end
              || case when f.dep_count > 0 then (select d from pgflow._dependency_outputs(t.run_id, t.step_id) d) else '{}' end end,
            f.executor_options, f.timeout, f.heartbeat_timeout, f.max_attempts, t.failures, v_queue.priority, t.external_id,
            t.lease_expires_at;
        else
          return query
          update pgflow.map_tasks t
          set attempt = t.attempt + 1, token_hash = pgflow._token_hash(f.token), worker_id = _claim.worker_id, instance_id = null,
            task_started_at = case when _claim.mode = 'start' then v_now end,
            lease_expires_at = v_now + make_interval(secs =>
              case when _claim.mode = 'start' then _claim.lease_seconds else f.launch_timeout end),
            external_id = case when _claim.mode <> 'start' then pgflow._external_id(t.run_id, t.step_slug, t.task_index, t.attempt + 1) end
          from (
            select x.place, gen_random_uuid() as token, s.*
            from unnest(v_popped.run_ids[v_first:v_last], v_popped.step_ids[v_first:v_last], v_popped.task_indexes[v_first:v_last])
                with ordinality u (run_id, step_id, task_index, ordinality)
              cross join lateral (
                select x.flow_slug, x.flow_version, x.step_slug, x.step_type, x.needs_run_input, x.dep_count, x.handler, x.params,
                  x.executor_options, x.timeout, x.launch_timeout, x.heartbeat_timeout, x.max_attempts
                from pgflow.steps x where x.step_id = u.step_id offset 0) s
              cross join lateral (
                select x.ctid as place from pgflow.map_tasks x
                where x.run_id = u.run_id and x.step_slug = s.step_slug and x.task_index = u.task_index and x.end_status is null
                  and x.lease_expires_at is null and (x.visible_at is null or x.visible_at <= v_now)
                for no key update of x skip locked) x
            where not exists (select from pgflow.paused_runs)
              or (select true from pgflow.paused_runs p where p.run_id = u.run_id) is null
            order by u.ordinality) f
          where t.ctid = f.place
          returning t.run_id, f.flow_slug, f.flow_version, t.step_slug, f.step_type, t.task_index, t.attempt, f.token, f.handler, f.params,
            case when _claim.inputs <> 'none' then
              case when f.needs_run_input then jsonb_build_object('run', (select r.input from pgflow.runs r where r.run_id = t.run_id))
                else '{}' end || jsonb_build_object('item', t.input)
              || case when f.dep_count > 0 then (select d from pgflow._dependency_outputs(t.run_id, t.step_id) d) else '{}' end end,
            f.executor_options, f.timeout, f.heartbeat_timeout, f.max_attempts, t.failures, v_queue.priority, t.external_id,
            t.lease_expires_at;
        end if;
        get diagnostics v_count = row_count;
        v_left := v_left - v_count;
        v_first := v_last + 1;
        exit when v_last = cardinality(v_popped.task_indexes);
      end loop;
      v_count := v_asked - v_left;
      if v_count > 0 then
        insert into pgflow.timers (due_at, kind, executor, run_ids, step_ids, task_indexes)
        select v_now + make_interval(secs => min(case when _claim.mode = 'start' then least(_claim.lease_seconds, s.timeout) else s.launch_timeout end)),
          'lease', _claim.executor, v_popped.run_ids, v_popped.step_ids, v_popped.task_indexes
        from pgflow.steps s where s.step_id = any (v_popped.step_ids);
        if _claim.mode <> 'start' then
          perform pgflow._note_launches(_claim.executor, _claim.worker_id, v_popped.run_ids, v_popped.step_ids, v_popped.task_indexes, v_now);
        end if;
        if v_is_probe then
          -- How it goes decides; if nobody says, another is tried.
          update pgflow.executors e set probe_at = v_now + interval '1 minute' where e.executor = _claim.executor;
        end if;
      end if;
      if v_count < cardinality(v_popped.run_ids) then
        select v_held + count(*) into v_held
        from pgflow._live_tasks(v_popped.run_ids, v_popped.step_ids, v_popped.task_indexes) t where t.lease_expires_at is null;
        v_back_runs := v_back_runs || v_popped.run_ids;
        v_back_steps := v_back_steps || v_popped.step_ids;
        v_back_indexes := v_back_indexes || v_popped.task_indexes;
        if v_count = 0 then
          perform pgflow._drop_dead_ready(v_queue, 100);
        end if;
      end if;
      -- Fewer than asked for: no more are to be had.
      exit when cardinality(v_popped.run_ids) < v_asked;
    end loop;
  end loop;
  -- Only now, so that this call does not meet them again.
  if v_back_runs is not null then
    perform pgflow._put_back(v_back_runs, v_back_steps, v_back_indexes, v_now);
  end if;
  if v_is_due or v_back_runs is not null then
    perform pgflow._notify();
  end if;
end
$$;

comment on function pgflow._claim(text, text, int, double precision, text, text, text[]) is
  'The work of every verb that claims; with flows, of tasks of these flows alone.';

create function pgflow._live_tasks(run_ids uuid[], step_ids int[], task_indexes int[])
  returns table (ordinality bigint, run_id uuid, step_id int, task_index int, step_slug text, queue_id int, lease_expires_at timestamptz,
    visible_at timestamptz, due_at timestamptz)
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Most tasks of a lease batch ended long ago: the joins drop them. offset 0 keeps the subqueries apart, so that
  -- rows are found by their whole key whatever the statistics.
  return query
  select u.ordinality, u.run_id, u.step_id, u.task_index, s.step_slug, t.queue_id, t.lease_expires_at, t.visible_at,
    least(t.lease_expires_at, t.task_started_at + make_interval(secs => s.timeout))
  from unnest(_live_tasks.run_ids, _live_tasks.step_ids, _live_tasks.task_indexes) with ordinality u (run_id, step_id, task_index, ordinality)
    cross join lateral (select x.step_slug, x.timeout from pgflow.steps x where x.step_id = u.step_id offset 0) s
    cross join lateral (
      select x.* from pgflow.run_steps x where x.run_id = u.run_id and x.step_slug = s.step_slug and x.status = 'running' offset 0) t
  where u.task_index = -1;
  if 0 <= any (_live_tasks.task_indexes) then
    return query
    select u.ordinality, u.run_id, u.step_id, u.task_index, s.step_slug, r.queue_id, t.lease_expires_at, t.visible_at,
      least(t.lease_expires_at, t.task_started_at + make_interval(secs => s.timeout))
    from unnest(_live_tasks.run_ids, _live_tasks.step_ids, _live_tasks.task_indexes) with ordinality u (run_id, step_id, task_index, ordinality)
      cross join lateral (select x.step_slug, x.timeout from pgflow.steps x where x.step_id = u.step_id offset 0) s
      cross join lateral (
        select x.* from pgflow.map_tasks x
        where x.run_id = u.run_id and x.step_slug = s.step_slug and x.task_index = u.task_index offset 0) t
      cross join lateral (select x.* from pgflow.run_steps x where x.run_id = u.run_id and x.step_slug = s.step_slug offset 0) r
    where u.task_index >= 0 and t.end_status is null;
  end if;
end
$$;

comment on function pgflow._live_tasks(uuid[], int[], int[]) is
  'Those of the tasks named by hints that are alive, with what claims and sweeps ask of them; due_at is the earlier of lease and timeout.';

create function pgflow._is_paused(run_id uuid) returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return exists (select from pgflow.paused_runs p where p.run_id = _is_paused.run_id);
end
$$;

comment on function pgflow._is_paused(uuid) is 'Whether a run is paused.';

create function pgflow._complete_map_steps(run_ids uuid[], step_slugs text[], now timestamptz, out ended_runs uuid[], out ended_steps int[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_failed uuid[];
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    -- An older snapshot does not see what others took off: locking what they changed raises 40001 instead.
    perform from pgflow.map_counters c, unnest(_complete_map_steps.run_ids, _complete_map_steps.step_slugs) u (run_id, step_slug)
    where c.run_id = any (array[u.run_id]) and c.step_slug = u.step_slug
    for update of c;
  end if;
  -- Under the exclusive run lock and in a statement begun after the counters moved: whoever emptied another slot has committed.
  with empty as (
    select distinct u.run_id, u.step_slug from unnest(_complete_map_steps.run_ids, _complete_map_steps.step_slugs) u (run_id, step_slug)
    -- Not by an antijoin, nor by equality below: rows are found by their keys whatever the statistics.
    where (
      select true from pgflow.map_counters c
      where c.run_id = u.run_id and c.step_slug = u.step_slug and c.remaining > 0 limit 1) is null
    order by 1, 2
  ), sized as (
    -- Also where nobody needs the array yet: readers and the run output do.
    select e.run_id, e.step_slug, z.bytes, z.bytes <= pgflow._limit('map_output') as fits
    from empty e
      cross join lateral (
        select coalesce(sum(pgflow._size(m.output)), 0)::bigint as bytes
        from pgflow.map_tasks m where m.run_id = e.run_id and m.step_slug = e.step_slug) z
  ), completed as (
    update pgflow.run_steps t
    set status = case when e.fits then 'completed' else 'failed' end, finished_at = _complete_map_steps.now,
      output = case when s.needs_array and e.fits then pgflow._map_output(t.run_id, t.step_slug) end,
      error = case when not e.fits then jsonb_build_object('code', 'OUTPUT_TOO_LARGE', 'step_slug', t.step_slug,
        'message', pgflow._too_large(format('the output of map step "%s"', t.step_slug), e.bytes, pgflow._limit('map_output'))) end
    from sized e, pgflow.steps s
    where t.run_id = any (array[e.run_id]) and t.step_slug = e.step_slug and s.step_id = any (array[t.step_id]) and t.status = 'running'
    returning t.run_id, t.step_id, e.fits
  )
  select array_agg(c.run_id) filter (where c.fits), array_agg(c.step_id) filter (where c.fits), array_agg(c.run_id) filter (where not c.fits)
    into ended_runs, ended_steps, v_failed
  from completed c;
  if v_failed is not null then
    perform pgflow._carry_on(null, null, null, v_failed, _complete_map_steps.now);
  end if;
end
$$;

comment on function pgflow._complete_map_steps(uuid[], text[], timestamptz) is 'Complete those of these map steps that have no live item left; fail those, and their runs, whose output would be too large.';

create function pgflow._due_at(now timestamptz, delay double precision) returns timestamptz
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Ten years (315,360,000 s) is the longest delay of a definition too.
  return _due_at.now + make_interval(secs => least(_due_at.delay, 315360000));
end
$$;

comment on function pgflow._due_at(timestamptz, double precision) is 'When a delay of so many seconds ends.';

create function pgflow._set_queued(task pgflow._tasks, keep_token boolean, error jsonb,
  due_at timestamptz, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if task.is_map then
    update pgflow.map_tasks t
    set failures = task.failures, launch_failures = task.launch_failures, task_started_at = null, lease_expires_at = null,
      visible_at = _set_queued.due_at, token_hash = case when _set_queued.keep_token then t.token_hash end,
      external_id = case when _set_queued.keep_token then t.external_id end, instance_id = null,
      error = coalesce(_set_queued.error, t.error)
    where t.run_id = task.run_id and t.step_slug = task.step_slug and t.task_index = task.task_index;
  else
    update pgflow.run_steps t
    set failures = task.failures, launch_failures = task.launch_failures, task_started_at = null, lease_expires_at = null,
      visible_at = _set_queued.due_at, token_hash = case when _set_queued.keep_token then t.token_hash end,
      external_id = case when _set_queued.keep_token then t.external_id end, instance_id = null,
      error = coalesce(_set_queued.error, t.error)
    where t.run_id = task.run_id and t.step_slug = task.step_slug;
  end if;
  if _set_queued.due_at <= _set_queued.now then
    perform pgflow._enqueue(array[task.run_id], array[task.step_id], array[task.ready_index], array[task.queue_id]);
  else
    perform pgflow._set_timers('delay', array[task.run_id], array[task.step_id], array[task.ready_index], array[_set_queued.due_at]);
  end if;
end
$$;

comment on function pgflow._set_queued(pgflow._tasks, boolean, jsonb, timestamptz, timestamptz) is
  'Put a task back in the queue, from due_at on. A kept token may still report: work done is work kept.';

create function pgflow._end_map_task(task pgflow._tasks, step pgflow.steps, error jsonb, now timestamptz) returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_failed int;
begin
  update pgflow.map_tasks t
  set end_status = 'failed', failures = task.failures, launch_failures = task.launch_failures, error = _end_map_task.error,
    finished_at = _end_map_task.now, token_hash = null
  where t.run_id = task.run_id and t.step_slug = task.step_slug and t.task_index = task.task_index;
  update pgflow.map_counters c set remaining = c.remaining - 1
  where c.run_id = task.run_id and c.step_slug = task.step_slug and c.slot = task.task_index % 16;
  update pgflow.run_steps t set failed_tasks = coalesce(t.failed_tasks, 0) + 1
  where t.run_id = task.run_id and t.step_slug = task.step_slug
  returning t.failed_tasks into v_failed;
  if v_failed > step.max_failures then
    return step.when_exhausted;
  end if;
  return case when pgflow._complete_map_steps(array[task.run_id], array[task.step_slug], _end_map_task.now) is not null then 'completed' end;
end
$$;

comment on function pgflow._end_map_task(pgflow._tasks, pgflow.steps, jsonb, timestamptz) is
  'Fail an item of a map for good. Returns what that does to its step: null (nothing), completed (it was the last), or the policy when too many failed.';

create function pgflow._end_step(task pgflow._tasks, policy text, error jsonb, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if task.is_map then
    perform pgflow._cancel_tasks(task.run_id, task.step_slug, _end_step.now);
  end if;
  update pgflow.run_steps t
  set status = case when _end_step.policy = 'fail' then 'failed' else 'skipped' end,
    skip_reason = case when _end_step.policy <> 'fail' then 'handler_failed' end,
    failures = case when task.is_map then t.failures else task.failures end,
    launch_failures = case when task.is_map then t.launch_failures else task.launch_failures end,
    error = _end_step.error, finished_at = _end_step.now, token_hash = null
  where t.run_id = task.run_id and t.step_slug = task.step_slug;
  if _end_step.policy = 'fail' then
    perform pgflow._close_run(task.run_id, 'failed', _end_step.error, _end_step.now);
  else
    perform pgflow._advance(array[task.run_id], array[task.step_id], array[_end_step.policy = 'skip_cascade'], _end_step.now);
  end if;
end
$$;

comment on function pgflow._end_step(pgflow._tasks, text, jsonb, timestamptz) is
  'End the step of a task that failed for good, as its when_exhausted says, and carry on from there.';

create function pgflow._exhaust(task pgflow._tasks, step pgflow.steps, error jsonb, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_effect text := step.when_exhausted;
begin
  if task.is_map then
    v_effect := pgflow._end_map_task(task, step, _exhaust.error, _exhaust.now);
  end if;
  if v_effect = 'completed' then
    perform pgflow._advance(array[task.run_id], array[task.step_id], array[false], _exhaust.now);
  elsif v_effect is not null then
    perform pgflow._end_step(task, v_effect, _exhaust.error, _exhaust.now);
  end if;
end
$$;

comment on function pgflow._exhaust(pgflow._tasks, pgflow.steps, jsonb, timestamptz) is
  'A task failed for good: end it, and its step if that follows.';

create function pgflow._end_attempt(task pgflow._tasks, outcome text, ended_by text, error jsonb, retryable boolean,
  retry_after double precision, log_tail text, now timestamptz) returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_step pgflow.steps;
  v_was_lost boolean := task.lease_expires_at is null;
  v_delay double precision := coalesce(greatest(_end_attempt.retry_after, 0), 0);
  v_error jsonb;
begin
  -- Needs the exclusive run lock, and a task that is alive.
  select s.* into v_step from pgflow.steps s where s.step_id = task.step_id;
  v_error := case when _end_attempt.outcome <> 'released' or nullif(_end_attempt.error, 'null') is not null then
    pgflow._make_error(_end_attempt.error, 'HANDLER_ERROR', 'the handler failed', task.step_slug, task.task_index, task.attempt) end;
  insert into pgflow.step_task_attempts as a (run_id, step_slug, task_index, attempt, outcome, ended_by, error, worker_id, external_id,
    started_at, ended_at, token_hash, log_tail)
  values (task.run_id, task.step_slug, task.task_index, task.attempt, _end_attempt.outcome, _end_attempt.ended_by, v_error, task.worker_id,
    task.external_id, task.task_started_at, _end_attempt.now, task.token_hash, pgflow._log_tail(_end_attempt.log_tail))
  on conflict on constraint step_task_attempts_pkey do update
  set outcome = 'late', ended_by = excluded.ended_by, error = excluded.error, log_tail = excluded.log_tail, ended_at = excluded.ended_at;

  if task.external_id is not null then
    update pgflow.launches l set look_at = _end_attempt.now
    where l.run_id = task.run_id and l.step_slug = task.step_slug and l.task_index = task.task_index and l.attempt = task.attempt;
  end if;

  if _end_attempt.outcome = 'released' then
    perform pgflow._set_queued(task, false, v_error, pgflow._due_at(_end_attempt.now, v_delay), _end_attempt.now);
    return 'released';
  elsif _end_attempt.outcome = 'launch_failed' then
    task.launch_failures := task.launch_failures + 1;
    if _end_attempt.retryable and task.launch_failures < 5 then
      v_delay := coalesce(_end_attempt.retry_after, pgflow._backoff(v_step, task.launch_failures));
      perform pgflow._set_queued(task, false, v_error, pgflow._due_at(_end_attempt.now, v_delay), _end_attempt.now);
      return 'retrying';
    end if;
  else
    task.failures := task.failures + case when v_was_lost then 0 else 1 end;
    if _end_attempt.retryable and task.failures < v_step.max_attempts then
      if _end_attempt.outcome <> 'lost' then
        v_delay := coalesce(_end_attempt.retry_after, pgflow._backoff(v_step, task.failures));
      end if;
      perform pgflow._set_queued(task, _end_attempt.outcome = 'lost', v_error,
        pgflow._due_at(_end_attempt.now, v_delay), _end_attempt.now);
      return 'retrying';
    end if;
  end if;
  perform pgflow._exhaust(task, v_step, v_error, _end_attempt.now);
  return 'failed';
end
$$;

comment on function pgflow._end_attempt(pgflow._tasks, text, text, jsonb, boolean, double precision, text, timestamptz) is
  'End a live attempt that did not complete: keep its row, then queue the task again or fail it. Returns released, retrying or failed.';

create function pgflow._expire(run_id uuid, step_slug text, ready_index int, now timestamptz) returns boolean
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set lock_timeout to '1ms'
as $$
declare
  v_task pgflow._tasks;
  v_step pgflow.steps;
  v_outcome text;
begin
  -- Tries, never waits: this runs inside claims, which may hold rows already. What cannot be had at once, the run lock or a row
  -- that an open claim holds, undoes the subtransaction. Nor may one run stop the sweep, and with it every claim.
  begin
    if not pgflow_locks.try_lock_run(_expire.run_id) then
      return false;
    end if;
    if _expire.ready_index = -1 then
      perform from pgflow.run_steps t
      where t.run_id = _expire.run_id and t.step_slug = _expire.step_slug
      for update skip locked;
    else
      perform from pgflow.map_tasks t
      where t.run_id = _expire.run_id and t.step_slug = _expire.step_slug and t.task_index = _expire.ready_index
      for update skip locked;
    end if;
    if not found then
      return false;
    end if;
    select t.* into v_task from pgflow._tasks t
    where t.run_id = _expire.run_id and t.step_slug = _expire.step_slug and t.ready_index = _expire.ready_index
      and t.is_live and t.lease_expires_at is not null;
    if not found then
      return true;
    end if;
    select s.* into v_step from pgflow.steps s where s.step_id = v_task.step_id;
    v_outcome := case
      when v_task.task_started_at + make_interval(secs => v_step.timeout) <= least(v_task.lease_expires_at, _expire.now) then 'timed_out'
      when v_task.lease_expires_at > _expire.now or pgflow._is_paused(_expire.run_id) then null
      when v_task.task_started_at is null then 'launch_failed'
      else 'lost'
    end;
    if v_outcome is null then
      return false;
    end if;
    perform pgflow._end_attempt(v_task, v_outcome, 'sweep',
      case v_outcome
        when 'launch_failed' then jsonb_build_object('code', 'LAUNCH_FAILED', 'message', format('not started within %s s of its launch', v_step.launch_timeout))
        when 'timed_out' then jsonb_build_object('code', 'TIMEOUT', 'message', format('not finished within %s s', v_step.timeout))
        else jsonb_build_object('code', 'LOST', 'message', format('worker %s stopped renewing its lease', v_task.worker_id))
      end, true, null, null, _expire.now);
    return true;
  exception
    when lock_not_available or deadlock_detected then
      return false;
    when others then
      raise warning 'pgflow: the lease of task % of step "%" in run % could not be ended: %', _expire.ready_index, _expire.step_slug,
        _expire.run_id, sqlerrm;
      return false;
  end;
end
$$;

comment on function pgflow._expire(uuid, text, int, timestamptz) is
  'End an attempt whose lease or timeout ran out: lost, timed out or never started. False if it lives on, or somebody holds the run or the row: look again.';

create function pgflow._sweep_timers(now timestamptz, since timestamptz, max_batches int) returns int
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_grace timestamptz;
  v_batches int;
  v_due record;
  v_ready record;
  v_again record;
begin
  -- At most an hour: more was set under a clock that was ahead.
  select case when m.lease_grace_until <= _sweep_timers.now + interval '1 hour' then m.lease_grace_until end into v_grace
  from pgflow.sweep_marks m;
  with taken as (
    delete from pgflow.timers t
    where t.ctid = any (array(
      select x.ctid from pgflow.timers x
      where x.due_at between _sweep_timers.since and _sweep_timers.now
      order by x.due_at, x.seq
      limit _sweep_timers.max_batches
      for update skip locked))
    returning t.due_at, t.kind, t.run_ids, t.step_ids, t.task_indexes
  )
  select array_agg(u.run_id order by k.due_at, u.ordinality) as run_ids, array_agg(u.step_id order by k.due_at, u.ordinality) as step_ids,
    array_agg(u.task_index order by k.due_at, u.ordinality) as indexes, array_agg(k.kind order by k.due_at, u.ordinality) as kinds,
    (select count(*) from taken) as batches
    into v_due
  from taken k, unnest(k.run_ids, k.step_ids, k.task_indexes) with ordinality u (run_id, step_id, task_index, ordinality);
  v_batches := v_due.batches;

  if 'delay' = any (v_due.kinds) then
    select array_agg(d.run_id order by d.ordinality) as run_ids, array_agg(d.step_id order by d.ordinality) as step_ids,
      array_agg(d.task_index order by d.ordinality) as indexes, array_agg(d.queue_id order by d.ordinality) as queue_ids
      into v_ready
    from pgflow._live_tasks(v_due.run_ids, v_due.step_ids, v_due.indexes) d
    where v_due.kinds[d.ordinality] = 'delay' and d.lease_expires_at is null and d.visible_at <= _sweep_timers.now;
    if v_ready.run_ids is not null then
      perform pgflow._enqueue(v_ready.run_ids, v_ready.step_ids, v_ready.indexes, v_ready.queue_ids);
    end if;
  end if;

  -- _expire reads each task again: ending one may have closed a run with others due in it.
  select array_agg(d.run_id) as run_ids, array_agg(d.step_id) as step_ids, array_agg(d.task_index) as indexes,
    array_agg(case when d.due_so_far > 500 then _sweep_timers.now
      else greatest(d.due_at, v_grace, _sweep_timers.now + interval '1 second') end) as due_ats
    into v_again
  from (
    select l.*, count(*) filter (where l.due_at <= _sweep_timers.now) over (order by l.ordinality) as due_so_far
    from pgflow._live_tasks(v_due.run_ids, v_due.step_ids, v_due.indexes) l
    where v_due.kinds[l.ordinality] = 'lease' and l.lease_expires_at is not null) d
  -- At most 500: each takes the lock of its run, and the lock table is small.
  where d.due_at > _sweep_timers.now or v_grace > _sweep_timers.now or d.due_so_far > 500
    or not pgflow._expire(d.run_id, d.step_slug, d.task_index, _sweep_timers.now);
  if v_again.run_ids is not null then
    perform pgflow._set_timers('lease', v_again.run_ids, v_again.step_ids, v_again.indexes, v_again.due_ats);
  end if;
  return v_batches;
end
$$;

comment on function pgflow._sweep_timers(timestamptz, timestamptz, int) is
  'Follow up to so many due timers: delayed tasks become ready, expired leases end their attempts, renewed ones get a new timer. Returns how many timers it took.';

create function pgflow._sweep_due(now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_marks pgflow.sweep_marks;
  v_is_full boolean;
  v_is_done boolean;
begin
  select m.* into strict v_marks from pgflow.sweep_marks m;
  v_is_full := v_marks.full_sweep_at not between _sweep_due.now - interval '30 seconds' and _sweep_due.now;
  v_is_done := pgflow._sweep_timers(_sweep_due.now,
    case when v_is_full or v_marks.timer_low > _sweep_due.now then '-infinity' else v_marks.timer_low end, 100) < 100;
  if v_is_done and (v_is_full or v_marks.timer_low not between _sweep_due.now - interval '7 seconds' and _sweep_due.now) then
    -- Five seconds of margin for transactions that commit a little after their timer was due.
    update pgflow.sweep_marks m
    set timer_low = _sweep_due.now - interval '5 seconds', full_sweep_at = case when v_is_full then _sweep_due.now else m.full_sweep_at end
    where m.ctid = any (array(select x.ctid from pgflow.sweep_marks x for update skip locked));
  end if;
end
$$;

comment on function pgflow._sweep_due(timestamptz) is 'The part of a claim that looks after time, when it is due: a bounded number of timers.';

create function pgflow._lock_task(run_id uuid, step_slug text, task_index int) returns pgflow._tasks
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_task pgflow._tasks;
begin
  perform from pgflow.map_tasks t
  where t.run_id = _lock_task.run_id and t.step_slug = _lock_task.step_slug and t.task_index = _lock_task.task_index
  for no key update;
  if not found then
    perform from pgflow.run_steps t
    where t.run_id = _lock_task.run_id and t.step_slug = _lock_task.step_slug
    for no key update;
  end if;
  select t.* into v_task from pgflow._tasks t
  where t.run_id = _lock_task.run_id and t.step_slug = _lock_task.step_slug and t.task_index = _lock_task.task_index;
  return v_task;
end
$$;

comment on function pgflow._lock_task(uuid, text, int) is 'Lock the row of one task and read it; a row of nulls if there is none.';

create function pgflow._survey_reports(reports jsonb, out run_ids uuid[], out step_slugs text[], out task_indexes int[], out tokens uuid[],
  out completions int, out has_ends boolean, out has_invalid boolean, out has_repeats boolean, out has_logs boolean, out has_map_items boolean)
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  select array_agg(r.run_id), array_agg(r.step_slug), array_agg(r.task_index),
    array_agg(case when r.outcome = 'complete' then r.attempt_token end), count(*) filter (where r.outcome = 'complete'),
    coalesce(bool_or(r.outcome <> 'complete'), false),
    coalesce(bool_or(r.run_id is null or r.step_slug is null or r.task_index is null or r.attempt_token is null
      or r.outcome is null or r.outcome not in ('complete', 'fail', 'release') or r.retry_after_seconds not between 0 and 315360000), false),
    coalesce(bool_or(r.log_tail <> ''), false), coalesce(max(r.task_index) > 0, false)
    into run_ids, step_slugs, task_indexes, tokens, completions, has_ends, has_invalid, has_logs, has_map_items
  from jsonb_to_recordset(_survey_reports.reports) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid, outcome text,
    retryable boolean, retry_after_seconds double precision, log_tail text);
  -- Two verbs for one task in one batch must be taken in their order; repeats of a completion alone need no care.
  has_repeats := false;
  if has_ends then
    has_repeats := exists (
      select from unnest(run_ids, step_slugs, task_indexes) r (run_id, step_slug, task_index)
      where r.run_id is not null
      group by r.run_id, r.step_slug, r.task_index having count(*) > 1);
  end if;
end
$$;

comment on function pgflow._survey_reports(jsonb) is
  'What a batch of reports contains: whose each is (of what is no completion without the token), and which cases there are. Raises a data exception if one has a value of the wrong type.';

create function pgflow._clean_reports(reports jsonb) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_report jsonb;
  v_clean jsonb[] := '{}';
begin
  for v_report in select r.value from jsonb_array_elements(_clean_reports.reports) with ordinality r order by r.ordinality loop
    begin
      if (v_report ->> 'run_id')::uuid is null or (v_report ->> 'attempt_token')::uuid is null or (v_report ->> 'task_index')::int is null
        or (v_report ->> 'step_slug') is null or coalesce(v_report ->> 'outcome', '') not in ('complete', 'fail', 'release')
        or coalesce((v_report ->> 'retry_after_seconds')::double precision not between 0 and 315360000, false)
        or jsonb_typeof(v_report -> 'retryable') not in ('boolean', 'null')
      then
        v_report := '{}';
      end if;
    exception when data_exception then
      v_report := '{}';
    end;
    v_clean := v_clean || v_report;
  end loop;
  return to_jsonb(v_clean);
end
$$;

comment on function pgflow._clean_reports(jsonb) is 'The reports with an empty object in the place of each that has a bad shape.';

create function pgflow._may_share(run_ids uuid[], step_slugs text[], task_indexes int[]) returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  -- A peek without a lock, so only a hint: each slot has more left than this batch takes, and a little to spare.
  return (
    with touched as (
      select r.run_id, r.step_slug, r.task_index % 16 as slot, count(*) as taken
      from unnest(_may_share.run_ids, _may_share.step_slugs, _may_share.task_indexes) r (run_id, step_slug, task_index)
      group by 1, 2, 3
    )
    select count(*) = count(c.remaining) and bool_and(c.remaining > t.taken + 2)
    from touched t
      left join pgflow.map_counters c on c.run_id = any (array[t.run_id]) and c.step_slug = t.step_slug and c.slot = t.slot
  );
end
$$;

comment on function pgflow._may_share(uuid[], text[], int[]) is 'Whether completions of map items are unlikely to empty a counter slot, so that the shared run lock will do.';

create function pgflow._complete_single_tasks(reports jsonb, run_ids uuid[], step_slugs text[], task_indexes int[], tokens uuid[],
  now timestamptz, out applied bigint[], out ended_runs uuid[], out ended_steps int[], out any_late boolean)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  with completed as (
    update pgflow.run_steps t
    set status = 'completed', output = coalesce(r.output, 'null'), finished_at = _complete_single_tasks.now
    from (
      select u.run_id, u.step_slug, u.token, u.output, u.ordinality
      from rows from (
          unnest(_complete_single_tasks.run_ids, _complete_single_tasks.step_slugs, _complete_single_tasks.task_indexes,
            _complete_single_tasks.tokens),
          jsonb_to_recordset(_complete_single_tasks.reports) as (output jsonb))
        with ordinality u (run_id, step_slug, task_index, token, output, ordinality)
      where u.task_index = 0
      order by 1, 2) r
    where t.run_id = any (array[r.run_id]) and t.step_slug = r.step_slug and t.token_hash = pgflow._token_hash(r.token) and t.status = 'running'
    returning t.run_id, t.step_id, r.ordinality, t.lease_expires_at
  )
  select array_agg(c.ordinality), array_agg(c.run_id), array_agg(c.step_id), bool_or(c.lease_expires_at is null)
    into applied, ended_runs, ended_steps, any_late
  from completed c;
end
$$;

comment on function pgflow._complete_single_tasks(jsonb, uuid[], text[], int[], uuid[], timestamptz) is
  'Apply the completions of single tasks whose token is current; any_late tells whether one had been declared lost.';

create function pgflow._complete_map_tasks(reports jsonb, run_ids uuid[], step_slugs text[], task_indexes int[], tokens uuid[],
  shared boolean, now timestamptz, out applied bigint[], out ended_runs uuid[], out ended_steps int[], out any_late boolean)
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_emptied uuid[];
  v_slugs text[];
begin
  with reported as materialized (
    select u.run_id, u.step_slug, u.task_index, u.token, u.output, u.ordinality
    from rows from (
        unnest(_complete_map_tasks.run_ids, _complete_map_tasks.step_slugs, _complete_map_tasks.task_indexes, _complete_map_tasks.tokens),
        jsonb_to_recordset(_complete_map_tasks.reports) as (output jsonb))
      with ordinality u (run_id, step_slug, task_index, token, output, ordinality)
    where u.token is not null
    order by 1, 2, 3
  ), completed as (
    update pgflow.map_tasks t
    set end_status = 'completed', output = coalesce(r.output, 'null'), finished_at = _complete_map_tasks.now
    from reported r
    where t.run_id = any (array[r.run_id]) and t.step_slug = r.step_slug and t.task_index = r.task_index
      and t.token_hash = pgflow._token_hash(r.token) and t.end_status is null
    returning t.run_id, t.step_slug, t.task_index, r.ordinality, t.lease_expires_at
  ), taken as (
    select c.run_id, c.step_slug, c.task_index % 16 as slot, count(*)::int as items from completed c group by 1, 2, 3 order by 1, 2, 3
  ), counted as (
    update pgflow.map_counters m
    set remaining = m.remaining - t.items
    from taken t where m.run_id = any (array[t.run_id]) and m.step_slug = t.step_slug and m.slot = t.slot
    returning m.run_id, m.step_slug, m.remaining
  )
  select (select array_agg(c.ordinality) from completed c),
    (select bool_or(c.lease_expires_at is null) from completed c),
    array_agg(d.run_id) filter (where d.remaining = 0), array_agg(d.step_slug) filter (where d.remaining = 0)
    into applied, any_late, v_emptied, v_slugs
  from counted d;
  if v_emptied is not null then
    if _complete_map_tasks.shared then
      raise exception 'a counter slot ran empty under the shared run lock' using errcode = 'PF999';
    end if;
    select e.ended_runs, e.ended_steps into ended_runs, ended_steps
    from pgflow._complete_map_steps(v_emptied, v_slugs, _complete_map_tasks.now) e;
  end if;
end
$$;

comment on function pgflow._complete_map_tasks(jsonb, uuid[], text[], int[], uuid[], boolean, timestamptz) is
  'Apply the completions of map items whose token is current and end the map steps that they complete. Raises PF999 if that would need the exclusive run lock.';

create function pgflow._apply_ends(reports jsonb, now timestamptz, out ordinals bigint[], out statuses text[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_report record;
  v_task pgflow._tasks;
begin
  for v_report in
    select r.*
    from rows from (jsonb_to_recordset(_apply_ends.reports) as (run_id uuid, step_slug text, task_index int, attempt_token uuid,
        outcome text, error jsonb, retryable boolean, retry_after_seconds double precision, log_tail text))
      with ordinality r (run_id, step_slug, task_index, attempt_token, outcome, error, retryable, retry_after, log_tail, ordinality)
    where r.outcome in ('fail', 'release')
    order by r.ordinality
  loop
    -- Read again each time: an earlier report of this batch may have closed the run.
    -- Under the row's lock: a claim, which takes no run lock, may be giving a lost task its next attempt.
    v_task := pgflow._lock_task(v_report.run_id, v_report.step_slug, v_report.task_index);
    if v_task.is_live and v_task.token_hash = pgflow._token_hash(v_report.attempt_token) then
      ordinals := ordinals || v_report.ordinality;
      statuses := statuses || pgflow._end_attempt(v_task,
        case when v_report.outcome = 'release' then 'released' when v_report.error ->> 'code' = 'TIMEOUT' then 'timed_out' else 'failed' end,
        v_report.outcome, v_report.error, coalesce(v_report.retryable, true), v_report.retry_after, v_report.log_tail, _apply_ends.now);
    end if;
  end loop;
end
$$;

comment on function pgflow._apply_ends(jsonb, timestamptz) is 'Apply the failures and releases of a batch whose token is current, in order.';

create function pgflow._classify(run_id uuid, step_slug text, task_index int, attempt_token uuid, outcome text) returns text
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_hash bytea := pgflow._token_hash(_classify.attempt_token);
  v_task pgflow._tasks;
begin
  if _classify.run_id is null then
    return 'invalid';
  end if;
  select t.* into v_task from pgflow._tasks t
  where t.run_id = _classify.run_id and t.step_slug = _classify.step_slug and t.task_index = _classify.task_index;
  if _classify.outcome = 'complete' and v_task.status = 'completed' and v_task.token_hash = v_hash
    or pgflow._ended_attempt(_classify.run_id, _classify.step_slug, _classify.task_index, v_hash, _classify.outcome)
  then
    return 'duplicate';
  elsif v_task.run_id is not null or pgflow._is_reset(_classify.run_id, _classify.step_slug, _classify.task_index) then
    return 'stale';
  end if;
  return 'unknown';
end
$$;

comment on function pgflow._classify(uuid, text, int, uuid, text) is
  'What to answer a report that was not applied: invalid, unknown, duplicate (this verb ended that attempt before) or stale.';

create function pgflow._mark_late(reports jsonb) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  update pgflow.step_task_attempts a
  set outcome = 'late', ended_by = 'complete'
  from jsonb_to_recordset(_mark_late.reports) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid, outcome text)
    cross join lateral (
      select x.status, x.attempt from pgflow._tasks x
      where x.run_id = r.run_id and x.step_slug = r.step_slug and x.task_index = r.task_index offset 0) t
  where r.outcome = 'complete' and t.status = 'completed'
    and a.run_id = any (array[r.run_id]) and a.step_slug = r.step_slug and a.task_index = r.task_index and a.attempt = t.attempt
    and a.token_hash = pgflow._token_hash(r.attempt_token) and a.outcome = 'lost';
end
$$;

comment on function pgflow._mark_late(jsonb) is 'Mark the attempts that were declared lost and have completed after all.';

create function pgflow._keep_logs(reports jsonb, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.completed_task_logs (run_id, step_slug, task_index, attempt, log_tail, recorded_at)
  select r.run_id, r.step_slug, r.task_index, t.attempt, pgflow._log_tail(r.log_tail), _keep_logs.now
  from jsonb_to_recordset(_keep_logs.reports) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid, outcome text, log_tail text)
    join pgflow._tasks t on t.run_id = r.run_id and t.step_slug = r.step_slug and t.task_index = r.task_index
  where r.outcome = 'complete' and r.log_tail <> '' and t.status = 'completed' and t.token_hash = pgflow._token_hash(r.attempt_token)
  on conflict on constraint completed_task_logs_pkey do nothing;
end
$$;

comment on function pgflow._keep_logs(jsonb, timestamptz) is 'Keep what completed attempts wrote.';

create function pgflow._classify_rest(reports jsonb, applied bigint[], statuses text[]) returns text[]
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_statuses text[] := _classify_rest.statuses;
  v_report record;
begin
  for v_report in
    select r.*
    from rows from (jsonb_to_recordset(_classify_rest.reports) as (run_id uuid, step_slug text, task_index int, attempt_token uuid, outcome text))
      with ordinality r (run_id, step_slug, task_index, attempt_token, outcome, ordinality)
    where r.ordinality <> all (coalesce(_classify_rest.applied, '{}'))
  loop
    v_statuses[v_report.ordinality] := case
      when jsonb_typeof(_classify_rest.reports -> (v_report.ordinality - 1)::int -> 'step_slug') <> 'string' then 'invalid'
      else pgflow._classify(v_report.run_id, v_report.step_slug, v_report.task_index, v_report.attempt_token, v_report.outcome)
    end;
  end loop;
  return v_statuses;
end
$$;

comment on function pgflow._classify_rest(jsonb, bigint[], text[]) is 'The statuses with those of the reports that were not applied filled in.';

create function pgflow._refuse_outputs(reports jsonb) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  return (
    select to_jsonb(array_agg(case when r.value ->> 'outcome' = 'complete' and pg_column_size(r.value -> 'output') > pgflow._limit('task_output')
        then (r.value - 'output') || jsonb_build_object('outcome', 'fail', 'retryable', false, 'error', jsonb_build_object(
          'code', 'OUTPUT_TOO_LARGE',
          'message', pgflow._too_large('the output', pg_column_size(r.value -> 'output'), pgflow._limit('task_output'))))
        else r.value end order by r.ordinality))
    from jsonb_array_elements(_refuse_outputs.reports) with ordinality r);
end
$$;

comment on function pgflow._refuse_outputs(jsonb) is 'The reports with a final failure in the place of each completion whose output is too large.';

create function pgflow._apply_reports(reports jsonb) returns text[]
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_reports jsonb := _apply_reports.reports;
  v_batch record;
  v_shared boolean;
  v_clean boolean := false;
  v_now timestamptz;
  v_single record;
  v_map record;
  v_ends record;
  v_applied bigint[] := '{}';
  v_late boolean := false;
  v_statuses text[];
begin
  if jsonb_typeof(v_reports) is distinct from 'array' then
    raise exception 'reports must be an array, not %', coalesce(jsonb_typeof(v_reports), 'null') using errcode = 'PF008';
  elsif jsonb_array_length(v_reports) > 500 then
    raise exception 'at most 500 reports in one call, not %', jsonb_array_length(v_reports) using errcode = 'PF007';
  elsif pgflow._size(v_reports) > pgflow._limit('task_output') then
    v_reports := pgflow._refuse_outputs(v_reports);
  end if;
  begin
    v_batch := pgflow._survey_reports(v_reports);
    v_clean := not v_batch.has_invalid;
  exception when data_exception then
    null;
  end;
  if not v_clean then
    v_reports := pgflow._clean_reports(v_reports);
    v_batch := pgflow._survey_reports(v_reports);
  end if;
  if v_batch.has_repeats then
    return pgflow._apply_in_turn(v_reports, v_batch.run_ids);
  end if;

  v_shared := v_batch.has_map_items and not v_batch.has_ends and pgflow._may_share(v_batch.run_ids, v_batch.step_slugs, v_batch.task_indexes);
  if v_shared then
    begin
      perform pgflow_locks.lock_runs(v_batch.run_ids, true);
      v_now := pgflow.clock();
      v_map := pgflow._complete_map_tasks(v_reports, v_batch.run_ids, v_batch.step_slugs, v_batch.task_indexes,
        v_batch.tokens, true, v_now);
      v_applied := v_map.applied;
      v_late := v_map.any_late;
    exception when sqlstate 'PF999' then
      -- The subtransaction undid the rows and released the shared locks. Start again: never an upgrade.
      v_shared := false;
    end;
  end if;
  if not v_shared then
    perform pgflow_locks.lock_runs(v_batch.run_ids);
    v_now := pgflow.clock();
    v_single := pgflow._complete_single_tasks(v_reports, v_batch.run_ids, v_batch.step_slugs, v_batch.task_indexes,
      v_batch.tokens, v_now);
    v_applied := v_single.applied;
    v_late := v_single.any_late;
    if coalesce(cardinality(v_applied), 0) < v_batch.completions then
      v_map := pgflow._complete_map_tasks(v_reports, v_batch.run_ids, v_batch.step_slugs, v_batch.task_indexes,
        v_batch.tokens, false, v_now);
      v_applied := v_applied || v_map.applied;
      v_late := coalesce(v_late, false) or coalesce(v_map.any_late, false);
      v_single.ended_runs := v_single.ended_runs || v_map.ended_runs;
      v_single.ended_steps := v_single.ended_steps || v_map.ended_steps;
    end if;
    if v_single.ended_runs is not null then
      perform pgflow._advance(v_single.ended_runs, v_single.ended_steps, array_fill(false, array[cardinality(v_single.ended_runs)]), v_now);
    end if;
  end if;
  if v_late then
    perform pgflow._mark_late(v_reports);
  end if;
  if v_batch.has_logs then
    perform pgflow._keep_logs(v_reports, v_now);
  end if;

  v_statuses := array_fill('completed'::text, array[jsonb_array_length(v_reports)]);
  if v_batch.has_ends then
    v_ends := pgflow._apply_ends(v_reports, v_now);
    for i in 1 .. coalesce(cardinality(v_ends.ordinals), 0) loop
      v_statuses[v_ends.ordinals[i]] := v_ends.statuses[i];
    end loop;
    v_applied := v_applied || v_ends.ordinals;
  end if;
  if coalesce(cardinality(v_applied), 0) < cardinality(v_statuses) then
    v_statuses := pgflow._classify_rest(v_reports, v_applied, v_statuses);
  end if;
  return v_statuses;
end
$$;

comment on function pgflow._apply_reports(jsonb) is
  'Apply a batch of reports in one transaction; what each is answered, in order. One cannot fail another.';

create function pgflow._apply_in_turn(reports jsonb, run_ids uuid[]) returns text[]
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_report jsonb;
  v_statuses text[] := '{}';
begin
  -- All run locks first: one report at a time would take them out of order.
  perform pgflow_locks.lock_runs(_apply_in_turn.run_ids);
  for v_report in select r.value from jsonb_array_elements(_apply_in_turn.reports) with ordinality r order by r.ordinality loop
    v_statuses := v_statuses || pgflow._apply_reports(jsonb_build_array(v_report));
  end loop;
  return v_statuses;
end
$$;

comment on function pgflow._apply_in_turn(jsonb, uuid[]) is 'Apply reports one after the other: for batches that say several things of one task.';

create function pgflow._refuse_executor(executor text, reason text, retry_after double precision, claimed_at timestamptz, now timestamptz)
  returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- A pause that an operator asked for stays as it is. Of launches that were under way when the first was refused, none counts again.
  update pgflow.executors e
  set paused_at = coalesce(e.paused_at, _refuse_executor.now),
    pause_reason = left(_refuse_executor.reason, pgflow._limit('reason')::int),
    refusals = e.refusals + 1,
    probe_at = pgflow._due_at(_refuse_executor.now, coalesce(_refuse_executor.retry_after, least(600, 30 * 2 ^ least(e.refusals, 10))))
  where e.executor = _refuse_executor.executor
    and (e.paused_at is null or e.probe_at is not null and _refuse_executor.claimed_at > e.paused_at);
end
$$;

comment on function pgflow._refuse_executor(text, text, double precision, timestamptz, timestamptz) is
  'Pause claims for an executor whose operator must act, until a probe goes through: one launch after 30 s, then after twice as long each time, 10 minutes at most.';

create function pgflow._accept_executor(executor text, claimed_at timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  update pgflow.executors e
  set paused_at = null, pause_reason = null, probe_at = null, refusals = 0
  where e.executor = _accept_executor.executor and e.probe_at is not null and _accept_executor.claimed_at > e.paused_at;
  if found then
    perform pg_notify('pgflow_ready', _accept_executor.executor);
  end if;
end
$$;

comment on function pgflow._accept_executor(text, timestamptz) is
  'Undo the pause of an executor that refused launches: one claimed since then was not refused.';

create function pgflow._observe_launch(run_id uuid, step_slug text, task_index int, attempt int, phase text, code text, detail text,
  log_tail text, started boolean, retryable boolean) returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_task pgflow._tasks;
  v_launch pgflow.launches;
  v_since timestamptz;
  v_until timestamptz;
  v_outcome text;
begin
  if _observe_launch.run_id is null then
    return 'invalid';
  end if;
  v_task := pgflow._lock_task(_observe_launch.run_id, _observe_launch.step_slug, _observe_launch.task_index);
  select l.* into v_launch from pgflow.launches l
  where l.run_id = _observe_launch.run_id and l.step_slug = _observe_launch.step_slug and l.task_index = _observe_launch.task_index
    and l.attempt = _observe_launch.attempt
  for no key update;
  if v_launch.run_id is null or v_task.is_live is not true or v_task.lease_expires_at is null
    or v_task.attempt <> _observe_launch.attempt then
    return 'stale';
  elsif _observe_launch.phase in ('pending', 'running', 'unknown') then
    if v_launch.over_since is not null then
      update pgflow.launches l set over_since = null
      where l.run_id = v_launch.run_id and l.step_slug = v_launch.step_slug and l.task_index = v_launch.task_index
        and l.attempt = v_launch.attempt;
    end if;
    return 'alive';
  end if;
  v_since := coalesce(v_launch.over_since, v_now);
  -- Its last words may be on their way.
  v_until := v_since + case
    when _observe_launch.phase <> 'exited_error' then interval '30 seconds'
    when _observe_launch.started is false and v_task.task_started_at is null then interval '0'
    else interval '5 seconds' end;
  if _observe_launch.phase = 'not_found' and v_launch.recorded_at is null and v_task.task_started_at is null then
    -- Its launcher may still be about to launch it.
    v_until := greatest(v_until, v_launch.claimed_at + interval '2 minutes');
  end if;
  if v_now < v_until then
    update pgflow.launches l set over_since = v_since, look_at = least(l.look_at, v_until)
    where l.run_id = v_launch.run_id and l.step_slug = v_launch.step_slug and l.task_index = v_launch.task_index
      and l.attempt = v_launch.attempt;
    return 'over';
  end if;
  v_outcome := case
    when v_task.task_started_at is null then 'launch_failed'
    when _observe_launch.phase = 'not_found' then 'lost'
    when _observe_launch.code = 'TIMEOUT' then 'timed_out'
    else 'failed' end;
  return pgflow._end_attempt(v_task, v_outcome, 'sweep',
    jsonb_build_object(
      'code', coalesce(_observe_launch.code, case v_outcome when 'launch_failed' then 'LAUNCH_FAILED' when 'lost' then 'LOST' else 'NO_REPORT' end),
      'message', concat_ws(': ',
        format('the attempt %s%s', case when v_outcome = 'launch_failed' then 'never started and ' else '' end,
          case _observe_launch.phase when 'not_found' then 'is gone' when 'exited_ok' then 'ended without a report'
            else 'ended with an error and without a report' end),
        nullif(_observe_launch.detail, ''))),
    coalesce(_observe_launch.retryable, true), null, _observe_launch.log_tail, v_now);
end
$$;

comment on function pgflow._observe_launch(uuid, text, int, int, text, text, text, text, boolean, boolean) is
  'Follow what was seen of one launched attempt; invalid if _clean_observations emptied it.';

create function pgflow._clean_observations(observations jsonb) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_seen jsonb;
  v_clean jsonb[] := '{}';
begin
  for v_seen in select o.value from jsonb_array_elements(_clean_observations.observations) with ordinality o order by o.ordinality loop
    begin
      if (v_seen ->> 'run_id')::uuid is null or (v_seen ->> 'step_slug') is null or (v_seen ->> 'task_index')::int is null
        or (v_seen ->> 'attempt')::int is null
        or not coalesce(v_seen ->> 'phase' in ('pending', 'running', 'exited_ok', 'exited_error', 'not_found', 'unknown'), false)
        or coalesce(jsonb_typeof(v_seen -> 'started') not in ('boolean', 'null'), false)
        or coalesce(jsonb_typeof(v_seen -> 'retryable') not in ('boolean', 'null'), false)
      then
        v_seen := '{}';
      end if;
    exception when data_exception then
      v_seen := '{}';
    end;
    v_clean := v_clean || v_seen;
  end loop;
  return to_jsonb(v_clean);
end
$$;

comment on function pgflow._clean_observations(jsonb) is 'The observations with an empty object in the place of each that has a bad shape.';

create function pgflow.observe_launches(observations jsonb) returns table (ordinal int, status text)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
set lock_timeout to '125ms'
as $$
declare
  v_seen record;
  v_observations jsonb;
begin
  if jsonb_typeof(observe_launches.observations) is distinct from 'array' then
    raise exception 'observations must be an array, not %', coalesce(jsonb_typeof(observe_launches.observations), 'null') using errcode = 'PF008';
  elsif jsonb_array_length(observe_launches.observations) > 500 then
    raise exception 'at most 500 observations in one call, not %', jsonb_array_length(observe_launches.observations) using errcode = 'PF007';
  end if;
  v_observations := pgflow._clean_observations(observe_launches.observations);
  perform pgflow_locks.lock_runs(array(
    select o.run_id from jsonb_to_recordset(v_observations) as o (run_id uuid) where o.run_id is not null));
  for v_seen in
    select o.*
    from rows from (jsonb_to_recordset(v_observations) as (run_id uuid, step_slug text, task_index int, attempt int, phase text, code text,
        detail text, log_tail text, started boolean, retryable boolean))
      with ordinality o (run_id, step_slug, task_index, attempt, phase, code, detail, log_tail, started, retryable, ordinality)
    order by o.ordinality
  loop
    ordinal := v_seen.ordinality;
    status := pgflow._observe_launch(v_seen.run_id, v_seen.step_slug, v_seen.task_index, v_seen.attempt, v_seen.phase, v_seen.code,
      v_seen.detail, v_seen.log_tail, v_seen.started, v_seen.retryable);
    return next;
  end loop;
  perform pgflow._notify();
end
$$;

comment on function pgflow.observe_launches(jsonb) is
  'What was seen of launched attempts in the place they were launched to. Answers alive, over (its time to report runs), retrying or failed (it was ended), stale or, for a bad shape, invalid, in order.';

create function pgflow.due_launches(executor text, max_launches int default 500, interval_seconds double precision default 15,
  external_ids text[] default '{}')
  returns table (run_id uuid, step_slug text, task_index int, attempt int, external_id text, handle jsonb, action text)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_due record;
begin
  if due_launches.max_launches is null or due_launches.max_launches not between 1 and 10000 then
    raise exception 'max_launches must be between 1 and 10000' using errcode = 'PF008';
  end if;
  perform pgflow._check_delay('interval_seconds', due_launches.interval_seconds);
  for v_due in
    -- skip locked: another dispatcher looks at them, or their attempt is just ending.
    with named as (
      -- By a look at every open attempt, where names are given: an index by name costs each launch a fifth more WAL.
      select l.* from pgflow.launches l
      where cardinality(due_launches.external_ids) > 0 and l.external_id = any (due_launches.external_ids)
        and l.executor = due_launches.executor and l.look_at > v_now
      limit due_launches.max_launches
      for no key update skip locked),
    due as (
      select l.* from pgflow.launches l
      where l.executor = due_launches.executor and l.look_at <= v_now
      order by l.look_at
      limit due_launches.max_launches - (select count(*) from named)
      for no key update skip locked),
    taken as (select n.* from named n union all select d.* from due d)
    select l.*, coalesce(t.is_live and t.lease_expires_at is not null and t.attempt = l.attempt, false) as is_open,
      a.outcome in ('cancelled', 'timed_out', 'lost', 'launch_failed') as must_stop
    from taken l
      -- offset 0: a row is found by its whole key, whatever the statistics.
      left join lateral (
        select x.* from pgflow._tasks x
        where x.run_id = l.run_id and x.step_slug = l.step_slug and x.task_index = l.task_index offset 0) t on true
      left join pgflow.step_task_attempts a
        on a.run_id = l.run_id and a.step_slug = l.step_slug and a.task_index = l.task_index and a.attempt = l.attempt
    order by l.look_at
  loop
    if v_due.is_open or v_due.must_stop and v_due.cancels = 0 then
      -- A second cancel once the launch deadline has passed: the first may have overtaken the launch, or its sender may have died.
      update pgflow.launches l
      set cancels = case when v_due.is_open then 0 else 1 end,
        look_at = greatest(v_now + make_interval(secs => due_launches.interval_seconds),
          case when not v_due.is_open then v_due.launch_deadline end)
      where l.run_id = v_due.run_id and l.step_slug = v_due.step_slug and l.task_index = v_due.task_index and l.attempt = v_due.attempt;
    else
      delete from pgflow.launches l
      where l.run_id = v_due.run_id and l.step_slug = v_due.step_slug and l.task_index = v_due.task_index and l.attempt = v_due.attempt;
    end if;
    if v_due.is_open or v_due.must_stop then
      run_id := v_due.run_id;
      step_slug := v_due.step_slug;
      task_index := v_due.task_index;
      attempt := v_due.attempt;
      external_id := v_due.external_id;
      handle := v_due.handle;
      action := case when v_due.is_open then 'observe' else 'cancel' end;
      return next;
    end if;
  end loop;
end
$$;

comment on function pgflow.due_launches(text, int, double precision, text[]) is
  'Launched attempts of an executor that are due, or named by external_ids, each for one caller: observe what is open (again after interval_seconds), cancel what ended here but may go on there.';

create function pgflow._task_key(run_id uuid, step_slug text, task_index int, attempt_token uuid) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_nil uuid := '00000000-0000-0000-0000-000000000000';
begin
  -- A null names no task, and is nobody's token.
  return jsonb_build_object('run_id', coalesce(_task_key.run_id, v_nil), 'step_slug', coalesce(_task_key.step_slug, ''),
    'task_index', coalesce(_task_key.task_index, -1), 'attempt_token', coalesce(_task_key.attempt_token, v_nil));
end
$$;

comment on function pgflow._task_key(uuid, text, int, uuid) is 'What names an attempt in a report.';

create function pgflow._report_one(report jsonb) returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_statuses text[];
begin
  if _report_one.report ->> 'retry_after_seconds' is not null then
    perform pgflow._check_delay('retry_after_seconds', (_report_one.report ->> 'retry_after_seconds')::double precision);
  end if;
  v_statuses := pgflow._apply_reports(jsonb_build_array(_report_one.report));
  if v_statuses[1] = 'unknown' then
    raise exception 'no task % of step "%" in run %', _report_one.report ->> 'task_index', _report_one.report ->> 'step_slug',
        _report_one.report ->> 'run_id'
      using errcode = 'PF003';
  end if;
  perform pgflow._notify();
  return v_statuses[1];
end
$$;

comment on function pgflow._report_one(jsonb) is 'Apply one report; PF003 if there is no such task, PF008 if the delay is out of range.';

create function pgflow.report_step_tasks(reports jsonb) returns table (ordinal int, status text)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
-- Short, so that one open transaction delays only its own run: the client halves the batch on 55P03, seven times at most.
set lock_timeout to '125ms'
as $$
declare
  v_statuses text[];
begin
  v_statuses := pgflow._apply_reports(report_step_tasks.reports);
  perform pgflow._notify();
  return query select u.ordinality::int, u.status from unnest(v_statuses) with ordinality u (status, ordinality);
end
$$;

comment on function pgflow.report_step_tasks(jsonb) is
  'Report up to 500 attempts in one transaction; answers in order: completed, retrying, failed, released, duplicate, stale, unknown, invalid.';

create function pgflow.complete_step_task(run_id uuid, step_slug text, task_index int, attempt_token uuid, output jsonb) returns text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
begin
  return pgflow._report_one(
    pgflow._task_key(complete_step_task.run_id, complete_step_task.step_slug, complete_step_task.task_index, complete_step_task.attempt_token)
    || jsonb_build_object('outcome', 'complete',
    'output', complete_step_task.output));
end
$$;

comment on function pgflow.complete_step_task(uuid, text, int, uuid, jsonb) is
  'Complete an attempt in the caller''s transaction: completed, duplicate or stale. PF003 if there is no such task.';

create function pgflow.fail_step_task(run_id uuid, step_slug text, task_index int, attempt_token uuid, error jsonb,
  retryable boolean default true, retry_after_seconds double precision default null) returns text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
begin
  return pgflow._report_one(
    pgflow._task_key(fail_step_task.run_id, fail_step_task.step_slug, fail_step_task.task_index, fail_step_task.attempt_token)
    || jsonb_build_object('outcome', 'fail',
    'error', fail_step_task.error, 'retryable', coalesce(fail_step_task.retryable, true), 'retry_after_seconds', fail_step_task.retry_after_seconds));
end
$$;

comment on function pgflow.fail_step_task(uuid, text, int, uuid, jsonb, boolean, double precision) is
  'Fail an attempt in the caller''s transaction: retrying, failed, duplicate or stale. PF003 if there is no such task.';

create function pgflow.release_step_tasks(tasks jsonb, delay_seconds double precision default 0) returns table (ordinal int, status text)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
set lock_timeout to '125ms'
as $$
declare
  v_reports jsonb;
  v_statuses text[];
begin
  if jsonb_typeof(release_step_tasks.tasks) is distinct from 'array' then
    raise exception 'tasks must be an array of {run_id, step_slug, task_index, attempt_token}' using errcode = 'PF008';
  end if;
  perform pgflow._check_delay('delay_seconds', release_step_tasks.delay_seconds);
  select coalesce(jsonb_agg(case when jsonb_typeof(t.value) = 'object' then
      t.value || jsonb_build_object('outcome', 'release', 'retry_after_seconds', release_step_tasks.delay_seconds) else t.value end
      order by t.ordinality), '[]')
    into v_reports
  from jsonb_array_elements(release_step_tasks.tasks) with ordinality t;
  v_statuses := pgflow._apply_reports(v_reports);
  perform pgflow._notify();
  return query
  select u.ordinality::int, case when u.status = 'released' then 'released' else 'stale' end
  from unnest(v_statuses) with ordinality u (status, ordinality);
end
$$;

comment on function pgflow.release_step_tasks(jsonb, double precision) is
  'Hand attempts back without using up a budget: released, or stale if the attempt is no longer current.';

create function pgflow._is_reset(run_id uuid, step_slug text, task_index int) returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return exists (
    select from pgflow.map_tasks t
    where t.run_id = _is_reset.run_id and t.step_slug = _is_reset.step_slug and t.task_index = _is_reset.task_index)
    or _is_reset.task_index = 0 and exists (
      select from pgflow.run_steps t join pgflow.steps s on s.step_id = t.step_id
      where t.run_id = _is_reset.run_id and t.step_slug = _is_reset.step_slug and s.step_type = 'single' and t.attempt > 0);
end
$$;

comment on function pgflow._is_reset(uuid, text, int) is 'Whether a task ran before retry_run put its step back, and has not started again.';

create function pgflow.lane_state(executor text, worker_id text)
  returns table (other_launches bigint, paused_at timestamptz, pause_reason text, probe_at timestamptz)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
begin
  return query
  select (
      select count(*)
      from pgflow.launches l
        -- offset 0: a row is found by its whole key, whatever the statistics.
        cross join lateral (
          select x.* from pgflow._tasks x
          where x.run_id = l.run_id and x.step_slug = l.step_slug and x.task_index = l.task_index offset 0) t
      where l.executor = lane_state.executor and l.worker_id <> lane_state.worker_id
        and t.is_live and t.lease_expires_at is not null and t.attempt = l.attempt),
    e.paused_at, e.pause_reason, e.probe_at
  from (values (lane_state.executor)) n (executor)
    left join pgflow.executors e on e.executor = n.executor;
end
$$;

comment on function pgflow.lane_state(text, text) is
  'What a dispatcher that serves an executor must know of the others: how many open attempts they launched, and whether claims are paused, why, and when a launch is tried again (null: when an operator resumes it).';

create function pgflow._wake_at(executors text[], held_for interval) returns timestamptz
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return least((
      select t.due_at from pgflow.timers t
      where t.due_at >= (select least(m.timer_low, pgflow.clock()) from pgflow.sweep_marks m) and t.executor = any (_wake_at.executors)
      order by t.due_at limit 1),
    case when exists (
      select from pgflow.queues q
      where q.executor = any (_wake_at.executors)
        and not exists (select from pgflow.executors e where e.executor = q.executor and e.paused_at is not null
            and (e.probe_at is null or e.probe_at > pgflow.clock()))
        and exists (select from pgflow.ready_tasks t where t.queue_id = q.queue_id and (t.xid, t.seq) >= (pgflow._low_mark(q.low_xid), q.low_seq)))
      then pgflow.clock() + _wake_at.held_for end);
end
$$;

comment on function pgflow._wake_at(text[], interval) is
  'When a claim for one of these executors is next worth it: when the next timer is due, or, if tasks wait and no pause keeps them, after held_for.';

create function pgflow.next_wake_at(executors text[]) returns timestamptz
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set enable_bitmapscan to off
set enable_seqscan to off
as $$
begin
  return pgflow._wake_at(next_wake_at.executors, '0');
end
$$;

comment on function pgflow.next_wake_at(text[]) is
  'When a claim for one of these executors is next worth it: now if tasks are ready, else when the next timer is due; null if none is set.';

create function pgflow._check_claim(executor text, worker_id text, max_tasks int, lease_seconds double precision, mode text, inputs text)
  returns boolean
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  -- One expression: each costs anew in every transaction.
  v_problem constant text := case
    when _check_claim.executor is null or _check_claim.worker_id is null then 'executor and worker_id must be given'
    when _check_claim.max_tasks is null or _check_claim.max_tasks not between 0 and 10000 then 'max_tasks must be between 0 and 10000'
    when _check_claim.lease_seconds is null or not (_check_claim.lease_seconds > 0 and _check_claim.lease_seconds <= 315360000)
      then 'lease_seconds must be greater than 0'
    when coalesce(_check_claim.mode, '') not in ('start', 'launch') then 'mode must be start or launch'
    when coalesce(_check_claim.inputs, '') not in ('full', 'none') then 'inputs must be full or none' end;
begin
  if octet_length(_check_claim.worker_id) > pgflow._limit('name') then
    perform pgflow._check_name('worker_id', _check_claim.worker_id);
  elsif v_problem is not null then
    raise exception '%', v_problem using errcode = 'PF008';
  end if;
  return true;
end
$$;

comment on function pgflow._check_claim(text, text, int, double precision, text, text) is 'True; PF008 if the arguments of a claim make no sense.';

create function pgflow.claim_step_tasks(executor text, worker_id text, max_tasks int, lease_seconds double precision default 30,
  mode text default 'start', inputs text default 'full')
  returns table (run_id uuid, flow_slug text, flow_version int, step_slug text, step_type text, task_index int, attempt int,
    attempt_token uuid, handler text, params jsonb, input jsonb, executor_options jsonb, timeout_seconds double precision,
    heartbeat_timeout_seconds double precision, max_attempts int, failures int, priority int, external_id text,
    lease_expires_at timestamptz)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  -- Not a perform, which is a statement: that costs ten times as much.
  v_is_valid constant boolean := pgflow._check_claim(claim_step_tasks.executor, claim_step_tasks.worker_id, claim_step_tasks.max_tasks,
    claim_step_tasks.lease_seconds, claim_step_tasks.mode, claim_step_tasks.inputs);
begin
  return query
  select c.* from pgflow._claim(claim_step_tasks.executor, claim_step_tasks.worker_id, claim_step_tasks.max_tasks,
    claim_step_tasks.lease_seconds, claim_step_tasks.mode, claim_step_tasks.inputs) c;
end
$$;

comment on function pgflow.claim_step_tasks(text, text, int, double precision, text, text) is
  'Claim up to max_tasks ready tasks of an executor: highest priority first, then the oldest. mode start: the caller runs them; launch: they are handed on and start by start_step_task.';

create function pgflow.exchange_step_tasks(reports jsonb, executor text, worker_id text, max_tasks int,
  lease_seconds double precision default 30, mode text default 'start', inputs text default 'full')
  returns table (kind text, ordinal int, status text, wake_at timestamptz,
    run_id uuid, flow_slug text, flow_version int, step_slug text, step_type text, task_index int, attempt int,
    attempt_token uuid, handler text, params jsonb, input jsonb, executor_options jsonb, timeout_seconds double precision,
    heartbeat_timeout_seconds double precision, max_attempts int, failures int, priority int, external_id text,
    lease_expires_at timestamptz)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
set lock_timeout to '125ms'
as $$
declare
  -- Not a perform, which is a statement: that costs ten times as much.
  v_is_valid constant boolean := pgflow._check_claim(exchange_step_tasks.executor, exchange_step_tasks.worker_id, exchange_step_tasks.max_tasks,
    exchange_step_tasks.lease_seconds, exchange_step_tasks.mode, exchange_step_tasks.inputs);
  v_statuses text[];
  v_claimed int := 0;
begin
  if exchange_step_tasks.reports <> '[]' then
    v_statuses := pgflow._apply_reports(exchange_step_tasks.reports);
    return query
    select 'report', u.ordinality::int, u.status, null::timestamptz, null::uuid, null::text, null::int, null::text, null::text, null::int,
      null::int, null::uuid, null::text, null::jsonb, null::jsonb, null::jsonb, null::double precision, null::double precision,
      null::int, null::int, null::int, null::text, null::timestamptz
    from unnest(v_statuses) with ordinality u (status, ordinality);
  end if;
  if exchange_step_tasks.max_tasks > 0 then
    return query
    select 'task', c.ordinality::int, null::text, null::timestamptz, c.run_id, c.flow_slug, c.flow_version, c.step_slug, c.step_type,
      c.task_index, c.attempt, c.attempt_token, c.handler, c.params, c.input, c.executor_options, c.timeout_seconds,
      c.heartbeat_timeout_seconds, c.max_attempts, c.failures, c.priority, c.external_id, c.lease_expires_at
    from pgflow._claim(exchange_step_tasks.executor, exchange_step_tasks.worker_id, exchange_step_tasks.max_tasks,
      exchange_step_tasks.lease_seconds, exchange_step_tasks.mode, exchange_step_tasks.inputs) with ordinality c;
    get diagnostics v_claimed = row_count;
  end if;
  -- After the claim: only what it left ready is worth waking somebody for.
  if v_statuses is not null then
    perform pgflow._notify();
  end if;
  -- A full claim left more. One that brought something keeps nobody waiting for an exact answer: it is asked again soon.
  -- What a claim of nothing left is held by somebody, or lies behind what is.
  kind := 'wake';
  wake_at := case when v_claimed = 0 then pgflow._wake_at(array[exchange_step_tasks.executor], '1 second')
    when v_claimed = exchange_step_tasks.max_tasks then pgflow.clock()
    else pgflow.clock() + interval '0.1 seconds' end;
  return next;
end
$$;

comment on function pgflow.exchange_step_tasks(jsonb, text, text, int, double precision, text, text) is
  'Report, claim and learn when to look again, in one round trip: a row a report (kind report), a row a claimed task (task), and one row with wake_at (wake): soon, after a claim that brought something.';

create function pgflow._ended_attempt(run_id uuid, step_slug text, task_index int, token_hash bytea, outcome text) returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return exists (
    select from pgflow.step_task_attempts a
    where a.run_id = _ended_attempt.run_id and a.step_slug = _ended_attempt.step_slug and a.task_index = _ended_attempt.task_index
      and a.token_hash = _ended_attempt.token_hash and a.ended_by = _ended_attempt.outcome)
    or _ended_attempt.outcome = 'complete' and exists (
      select from pgflow.superseded_attempts a
      where a.run_id = _ended_attempt.run_id and a.step_slug = _ended_attempt.step_slug and a.task_index = _ended_attempt.task_index
        and a.token_hash = _ended_attempt.token_hash);
end
$$;

comment on function pgflow._ended_attempt(uuid, text, int, bytea, text) is 'Whether an attempt with this token was ended by this verb, in history.';

create function pgflow._set_executor_paused(executor text, reason text, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.executors as e (executor, paused_at, pause_reason)
  values (_set_executor_paused.executor, _set_executor_paused.now, left(_set_executor_paused.reason, pgflow._limit('reason')::int))
  on conflict on constraint executors_pkey do update
  set paused_at = coalesce(e.paused_at, excluded.paused_at), pause_reason = excluded.pause_reason, probe_at = null;
end
$$;

comment on function pgflow._set_executor_paused(text, text, timestamptz) is 'Pause claims for an executor, with the reason, until an operator resumes it.';

create function pgflow._set_external_id(task pgflow._tasks, external_id text) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if task.is_map then
    update pgflow.map_tasks t set external_id = _set_external_id.external_id
    where t.run_id = task.run_id and t.step_slug = task.step_slug and t.task_index = task.task_index;
  else
    update pgflow.run_steps t set external_id = _set_external_id.external_id
    where t.run_id = task.run_id and t.step_slug = task.step_slug;
  end if;
end
$$;

comment on function pgflow._set_external_id(pgflow._tasks, text) is 'Keep the handle that the place of launch gave.';

create function pgflow._record_launch(run_id uuid, step_slug text, task_index int, attempt_token uuid, outcome text, external_id text,
  kind text, reason text, retry_after double precision, attempt int, handle jsonb) returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_task pgflow._tasks;
  v_is_current boolean;
  v_launch pgflow.launches;
  v_error jsonb := jsonb_build_object(
    'code', case when _record_launch.kind in ('throttled', 'operator') then 'LAUNCH_REJECTED' else 'LAUNCH_FAILED' end,
    'message', coalesce(_record_launch.reason, 'the launch was rejected'));
begin
  if _record_launch.run_id is null then
    return 'invalid';
  end if;
  v_task := pgflow._lock_task(_record_launch.run_id, _record_launch.step_slug, _record_launch.task_index);
  v_is_current := v_task.is_live and v_task.lease_expires_at is not null
    and v_task.token_hash = pgflow._token_hash(_record_launch.attempt_token);
  -- Whatever became of the attempt meanwhile: it is there, under this name. Ended, it is to be looked at now.
  update pgflow.launches l
  set external_id = coalesce(_record_launch.external_id, l.external_id), handle = coalesce(_record_launch.handle, l.handle),
    recorded_at = coalesce(l.recorded_at, v_now), look_at = case when v_is_current then l.look_at else v_now end, cancels = 0
  where _record_launch.outcome <> 'rejected' and l.run_id = _record_launch.run_id and l.step_slug = _record_launch.step_slug
    and l.task_index = _record_launch.task_index and l.attempt = coalesce(_record_launch.attempt, v_task.attempt)
  returning l.* into v_launch;
  if _record_launch.outcome = 'rejected' and v_is_current and v_task.task_started_at is null then
    delete from pgflow.launches l
    where l.run_id = _record_launch.run_id and l.step_slug = _record_launch.step_slug and l.task_index = _record_launch.task_index
      and l.attempt = v_task.attempt
    returning l.* into v_launch;
  end if;
  if _record_launch.outcome <> 'unknown' and _record_launch.kind is distinct from 'operator' then
    perform pgflow._accept_executor(v_launch.executor, v_launch.claimed_at);
  elsif _record_launch.kind = 'operator' then
    perform pgflow._refuse_executor(v_launch.executor, coalesce(_record_launch.reason, 'rejected'), _record_launch.retry_after,
      v_launch.claimed_at, v_now);
  end if;
  if v_is_current is not true then
    return 'stale';
  elsif _record_launch.outcome = 'accepted' then
    if _record_launch.external_id is distinct from v_task.external_id and _record_launch.external_id is not null then
      perform pgflow._set_external_id(v_task, _record_launch.external_id);
    end if;
    return 'accepted';
  elsif _record_launch.outcome = 'unknown' then
    return 'unknown';
  elsif v_task.task_started_at is not null then
    -- It runs, whatever the launcher saw.
    return 'stale';
  elsif _record_launch.kind in ('throttled', 'operator') then
    -- Without a delay of its own what an operator must mend waits as long as the executor is paused.
    perform pgflow._end_attempt(v_task, 'released', 'launch', v_error, true,
      coalesce(_record_launch.retry_after, case _record_launch.kind when 'throttled' then 1 end), null, v_now);
    return 'requeued';
  end if;
  return case pgflow._end_attempt(v_task, 'launch_failed', 'launch', v_error, _record_launch.kind = 'transient',
      _record_launch.retry_after, null, v_now)
    when 'retrying' then 'requeued' else 'failed' end;
end
$$;

comment on function pgflow._record_launch(uuid, text, int, uuid, text, text, text, text, double precision, int, jsonb) is
  'Record what became of one launch; invalid if _clean_launches emptied it.';

create function pgflow._clean_tasks(tasks jsonb) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  perform from jsonb_to_recordset(_clean_tasks.tasks) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid);
  return _clean_tasks.tasks;
exception when data_exception then
  return pgflow._clean_reports((
    select jsonb_agg(t.value || '{"outcome": "complete"}' order by t.ordinality)
    from jsonb_array_elements(_clean_tasks.tasks) with ordinality t));
end
$$;

comment on function pgflow._clean_tasks(jsonb) is
  'References to attempts, with an empty object in the place of each that has a bad shape: one must not cost the others theirs.';

create function pgflow._renew_leases(tasks jsonb, lease_seconds double precision, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- skip locked: a row that somebody is ending or renewing needs no renewal, and a heartbeat waits for nobody.
  with free as (
    select t.place,
      case when t.instance_id is null then _renew_leases.lease_seconds else coalesce(s.heartbeat_timeout, _renew_leases.lease_seconds) end as lease
    from jsonb_to_recordset(_renew_leases.tasks) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid)
      cross join lateral (
        select x.ctid as place, x.step_id, x.instance_id from pgflow.run_steps x
        where x.run_id = r.run_id and x.step_slug = r.step_slug and x.status = 'running' and x.task_started_at is not null
          and x.lease_expires_at is not null and x.token_hash = pgflow._token_hash(r.attempt_token)
        for no key update of x skip locked) t
      cross join lateral (select x.heartbeat_timeout from pgflow.steps x where x.step_id = t.step_id offset 0) s
    where r.task_index = 0
  )
  update pgflow.run_steps t
  set lease_expires_at = greatest(t.lease_expires_at, _renew_leases.now + make_interval(secs => f.lease))
  from free f where t.ctid = f.place;

  with free as (
    select t.place,
      case when t.instance_id is null then _renew_leases.lease_seconds else coalesce(s.heartbeat_timeout, _renew_leases.lease_seconds) end as lease
    from jsonb_to_recordset(_renew_leases.tasks) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid)
      cross join lateral (
        select x.ctid as place, x.step_id, x.instance_id from pgflow.map_tasks x
        where x.run_id = r.run_id and x.step_slug = r.step_slug and x.task_index = r.task_index and x.end_status is null
          and x.task_started_at is not null and x.lease_expires_at is not null
          and x.token_hash = pgflow._token_hash(r.attempt_token)
        for no key update of x skip locked) t
      cross join lateral (select x.heartbeat_timeout from pgflow.steps x where x.step_id = t.step_id offset 0) s
  )
  update pgflow.map_tasks t
  set lease_expires_at = greatest(t.lease_expires_at, _renew_leases.now + make_interval(secs => f.lease))
  from free f where t.ctid = f.place;
end
$$;

comment on function pgflow._renew_leases(jsonb, double precision, timestamptz) is 'Renew the leases of those of these attempts that are current.';

create function pgflow._keep_progress(tasks jsonb, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.task_progress (run_id, step_slug, task_index, attempt, progress, reported_at)
  select distinct on (r.run_id, r.step_slug, r.task_index) r.run_id, r.step_slug, r.task_index, t.attempt, r.progress, _keep_progress.now
  from jsonb_to_recordset(_keep_progress.tasks) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid, progress jsonb)
    cross join lateral (
      select k.attempt from pgflow._tasks k
      where k.run_id = r.run_id and k.step_slug = r.step_slug and k.task_index = r.task_index and k.status in ('claimed', 'running')
        and k.token_hash = pgflow._token_hash(r.attempt_token)
      offset 0) t
  where jsonb_typeof(r.progress) = 'object' and length(r.progress::text) <= 4096
  -- In key order, so that two callers with the same tasks wait for each other at most once.
  order by r.run_id, r.step_slug, r.task_index
  on conflict on constraint task_progress_pkey do update
    set attempt = excluded.attempt, progress = excluded.progress, reported_at = excluded.reported_at;
end
$$;

comment on function pgflow._keep_progress(jsonb, timestamptz) is
  'Keep what current attempts say of their progress; what is no object, or longer than 4096 characters, is left out.';

create function pgflow._set_started(task pgflow._tasks, instance_id text, lease_expires_at timestamptz, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if task.is_map then
    update pgflow.map_tasks t
    set task_started_at = _set_started.now, instance_id = _set_started.instance_id, lease_expires_at = _set_started.lease_expires_at
    where t.run_id = task.run_id and t.step_slug = task.step_slug and t.task_index = task.task_index;
  else
    update pgflow.run_steps t
    set task_started_at = _set_started.now, instance_id = _set_started.instance_id, lease_expires_at = _set_started.lease_expires_at
    where t.run_id = task.run_id and t.step_slug = task.step_slug;
  end if;
  -- The old timer is that of the launch deadline, and may be later than the new lease.
  perform pgflow._set_timers('lease', array[task.run_id], array[task.step_id], array[task.ready_index], array[least(_set_started.lease_expires_at,
    _set_started.now + make_interval(secs => (select s.timeout from pgflow.steps s where s.step_id = task.step_id)))]);
end
$$;

comment on function pgflow._set_started(pgflow._tasks, text, timestamptz, timestamptz) is 'Mark a launched attempt as running in this instance.';

create function pgflow.start_step_task(run_id uuid, step_slug text, task_index int, attempt_token uuid, instance_id text)
  returns table (status text, input jsonb, lease_expires_at timestamptz)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_task pgflow._tasks;
  v_step pgflow.steps;
  v_lease timestamptz;
begin
  if start_step_task.instance_id is null then
    raise exception 'instance_id must be given' using errcode = 'PF008';
  end if;
  perform pgflow._check_name('instance_id', start_step_task.instance_id);
  select t.* into v_task from pgflow._lock_task(start_step_task.run_id, start_step_task.step_slug, start_step_task.task_index) t;
  if v_task.run_id is null then
    raise exception 'no task % of step "%" in run %', start_step_task.task_index, start_step_task.step_slug, start_step_task.run_id
      using errcode = 'PF003';
  end if;
  if not v_task.is_live or v_task.lease_expires_at is null
    or v_task.token_hash is distinct from pgflow._token_hash(start_step_task.attempt_token)
  then
    return query select 'stale', null::jsonb, null::timestamptz;
    return;
  elsif v_task.task_started_at is not null and v_task.instance_id is distinct from start_step_task.instance_id then
    return query select 'conflict', null::jsonb, null::timestamptz;
    return;
  end if;
  -- Another copy of it may have been seen to end.
  update pgflow.launches l set over_since = null
  where l.run_id = v_task.run_id and l.step_slug = v_task.step_slug and l.task_index = v_task.task_index and l.attempt = v_task.attempt
    and l.over_since is not null;
  select s.* into v_step from pgflow.steps s where s.step_id = v_task.step_id;
  v_lease := v_task.lease_expires_at;
  if v_task.task_started_at is null then
    v_lease := v_now + make_interval(secs => coalesce(v_step.heartbeat_timeout, v_step.timeout + 10));
    perform pgflow._set_started(v_task, start_step_task.instance_id, v_lease, v_now);
  end if;
  return query
  select 'started',
    case when v_step.needs_run_input then jsonb_build_object('run', r.input) else '{}' end
    || case when v_task.is_map then jsonb_build_object('item', v_task.input) else '{}' end
    || (select d from pgflow._dependency_outputs(v_task.run_id, v_task.step_id) d),
    v_lease
  from pgflow.runs r where r.run_id = v_task.run_id;
end
$$;

comment on function pgflow.start_step_task(uuid, text, int, uuid, text) is
  'The handshake of a launched attempt: started (first, or the same instance again), conflict (another instance has it) or stale. PF003 if there is no such task.';

create function pgflow.heartbeat_step_tasks(tasks jsonb, lease_seconds double precision default 30)
  returns table (ordinal int, status text, lease_expires_at timestamptz)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_tasks jsonb;
begin
  if coalesce(heartbeat_step_tasks.lease_seconds <= 0 or heartbeat_step_tasks.lease_seconds > 315360000, true) then
    raise exception 'lease_seconds must be greater than 0' using errcode = 'PF008';
  elsif jsonb_typeof(heartbeat_step_tasks.tasks) is distinct from 'array' then
    raise exception 'tasks must be an array of {run_id, step_slug, task_index, attempt_token}' using errcode = 'PF008';
  end if;
  v_tasks := pgflow._clean_tasks(heartbeat_step_tasks.tasks);
  perform pgflow._renew_leases(v_tasks, heartbeat_step_tasks.lease_seconds, v_now);
  if exists (select from pgflow.launches l where l.over_since is not null) then
    perform pgflow._clear_over(v_tasks);
  end if;
  if v_tasks @? '$[*].progress' then
    perform pgflow._keep_progress(v_tasks, v_now);
  end if;
  if v_tasks @? '$[*].log_tail' then
    perform pgflow._keep_live_logs(v_tasks, v_now);
  end if;
  return query
  select r.ordinality::int,
    case
      when t.token_hash is distinct from pgflow._token_hash(r.attempt_token) then 'stale'
      when t.status in ('claimed', 'running') then 'ok'
      when t.status = 'cancelled' then 'cancel'
      else 'stale'
    end,
    case when t.status in ('claimed', 'running') and t.token_hash = pgflow._token_hash(r.attempt_token) then t.lease_expires_at end
  from rows from (jsonb_to_recordset(v_tasks) as (run_id uuid, step_slug text, task_index int, attempt_token uuid))
      with ordinality r (run_id, step_slug, task_index, attempt_token, ordinality)
    left join lateral (
      select k.* from pgflow._tasks k
      where k.run_id = r.run_id and k.step_slug = r.step_slug and k.task_index = r.task_index offset 0) t on true
  order by r.ordinality;
end
$$;

comment on function pgflow.heartbeat_step_tasks(jsonb, double precision) is
  'Renew leases: ok, cancel (the task was cancelled while this attempt had it) or stale. Heartbeats do not extend the timeout of the attempt.
A task may carry "progress": {"done", "total"?, "message"?}, which get_run shows while the attempt goes on.
It may carry what it has written so far, "log_tail", of "log_end" bytes in all: live_task_logs shows it.';

create function pgflow.record_launches(launches jsonb) returns table (ordinal int, status text)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
set lock_timeout to '125ms'
as $$
declare
  v_launch record;
  v_launches jsonb;
begin
  if jsonb_typeof(record_launches.launches) is distinct from 'array' then
    raise exception 'launches must be an array, not %', coalesce(jsonb_typeof(record_launches.launches), 'null') using errcode = 'PF008';
  elsif jsonb_array_length(record_launches.launches) > 500 then
    raise exception 'at most 500 launches in one call, not %', jsonb_array_length(record_launches.launches) using errcode = 'PF007';
  end if;
  v_launches := pgflow._clean_launches(record_launches.launches);
  perform pgflow_locks.lock_runs(array(
    select l.run_id from jsonb_to_recordset(v_launches) as l (run_id uuid) where l.run_id is not null));
  for v_launch in
    select l.*
    from rows from (jsonb_to_recordset(v_launches) as (run_id uuid, step_slug text, task_index int, attempt_token uuid,
        outcome text, external_id text, kind text, reason text, retry_after_seconds double precision, attempt int, handle jsonb))
      with ordinality l (run_id, step_slug, task_index, attempt_token, outcome, external_id, kind, reason, retry_after, attempt, handle, ordinality)
    order by l.ordinality
  loop
    ordinal := v_launch.ordinality;
    status := pgflow._record_launch(v_launch.run_id, v_launch.step_slug, v_launch.task_index, v_launch.attempt_token, v_launch.outcome,
      v_launch.external_id, v_launch.kind, v_launch.reason, v_launch.retry_after, v_launch.attempt, v_launch.handle);
    return next;
  end loop;
  perform pgflow._notify();
end
$$;

comment on function pgflow.record_launches(jsonb) is
  'What became of launches: accepted (with its external_id and handle), rejected (throttled, transient, permanent or operator) or unknown. Answers accepted, requeued, failed, unknown, stale or, for a bad shape, invalid, in order.';

create function pgflow._clean_launches(launches jsonb) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_launch jsonb;
  v_clean jsonb[] := '{}';
begin
  for v_launch in select l.value from jsonb_array_elements(_clean_launches.launches) with ordinality l order by l.ordinality loop
    begin
      if (v_launch ->> 'run_id')::uuid is null or (v_launch ->> 'attempt_token')::uuid is null or (v_launch ->> 'task_index')::int is null
        or (v_launch ->> 'step_slug') is null
        or not coalesce(v_launch ->> 'outcome' in ('accepted', 'unknown') or v_launch ->> 'outcome' = 'rejected'
          and v_launch ->> 'kind' in ('throttled', 'transient', 'permanent', 'operator'), false)
        or coalesce((v_launch ->> 'retry_after_seconds')::double precision not between 0 and 315360000, false)
        or coalesce(octet_length(v_launch ->> 'external_id') > pgflow._limit('name'), false)
        or coalesce(pg_column_size(v_launch -> 'handle') > pgflow._limit('handle'), false)
        or coalesce((v_launch ->> 'attempt')::int < 1, false)
      then
        v_launch := '{}';
      end if;
    exception when data_exception then
      v_launch := '{}';
    end;
    v_clean := v_clean || v_launch;
  end loop;
  return to_jsonb(v_clean);
end
$$;

comment on function pgflow._clean_launches(jsonb) is 'The launches with an empty object in the place of each that has a bad shape.';

create function pgflow._shifted_lease(lease_expires_at timestamptz, task_started_at timestamptz, paused interval) returns timestamptz
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- A launch waits as long as it would have. A running attempt may have been renewed meanwhile: it has half a minute, the
  -- default lease, to be renewed again.
  return case when _shifted_lease.task_started_at is null then _shifted_lease.lease_expires_at + _shifted_lease.paused
    else greatest(_shifted_lease.lease_expires_at,
      least(_shifted_lease.lease_expires_at + _shifted_lease.paused, pgflow.clock() + interval '30 seconds')) end;
end
$$;

comment on function pgflow._shifted_lease(timestamptz, timestamptz, interval) is 'A lease after a pause of its run: paused time does not count as a missed lease.';

create function pgflow._keep_completed(run_id uuid, step_slugs text[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.superseded_attempts (run_id, step_slug, task_index, attempt, worker_id, external_id, started_at, ended_at, token_hash)
  select t.run_id, t.step_slug, t.task_index, t.attempt, t.worker_id, t.external_id, t.task_started_at, t.finished_at, t.token_hash
  from pgflow._tasks t
  where t.run_id = _keep_completed.run_id and t.step_slug = any (_keep_completed.step_slugs) and t.status = 'completed' and t.attempt > 0
    -- A late one has its row there.
    and not exists (
      select from pgflow.step_task_attempts a
      where a.run_id = t.run_id and a.step_slug = t.step_slug and a.task_index = t.task_index and a.attempt = t.attempt);
end
$$;

comment on function pgflow._keep_completed(uuid, text[]) is 'Keep a row of the completed attempts of steps that are to run again.';

create function pgflow._has_completed_downstream(run_id uuid, step_id int) returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return exists (
    with recursive downstream as (
      select d.step_id from pgflow.deps d where d.dep_id = _has_completed_downstream.step_id
      union
      select d.step_id from downstream u join pgflow.deps d on d.dep_id = u.step_id
    )
    select from downstream u join pgflow.run_steps t on t.step_id = u.step_id
    where t.run_id = _has_completed_downstream.run_id and t.status = 'completed');
end
$$;

comment on function pgflow._has_completed_downstream(uuid, int) is 'Whether something that depends on a step, directly or not, completed.';

create function pgflow._steps_to_retry(run_id uuid, from_step text, out step_slugs text[], out rerun_slugs text[])
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_stay text[];
begin
  -- From a step named: it and everything downstream, whole (reruns). Besides, what failed or was cancelled, and what was skipped
  -- because of it: a join downstream could not start without. A failure that was skipped stays where others went on without it.
  with recursive retried as (
    select t.step_id, t.step_slug, t.step_slug is not distinct from _steps_to_retry.from_step as reruns
    from pgflow.run_steps t
    where t.run_id = _steps_to_retry.run_id
      and (t.step_slug = _steps_to_retry.from_step or t.status in ('failed', 'cancelled')
        or _steps_to_retry.from_step is null and t.skip_reason = 'handler_failed'
          and not pgflow._has_completed_downstream(t.run_id, t.step_id))
    union
    select t.step_id, t.step_slug, r.reruns
    from retried r
      join pgflow.deps d on d.dep_id = r.step_id
      join pgflow.run_steps t on t.run_id = _steps_to_retry.run_id and t.step_slug = d.step_slug
    where r.reruns or t.status <> 'completed'
  )
  select array_agg(distinct r.step_slug), array_agg(distinct r.step_slug) filter (where r.reruns) into step_slugs, rerun_slugs
  from retried r;
  if _steps_to_retry.from_step is not null and rerun_slugs is null then
    raise exception 'no step "%" in run %', _steps_to_retry.from_step, _steps_to_retry.run_id
      using errcode = 'PF003', hint = 'The steps of a run: select * from pgflow.step_states, or pgflow status.';
  end if;
  -- What the cascade of a step that stays skipped has skipped stays skipped too.
  loop
    select array_agg(distinct t.step_slug) into v_stay
    from pgflow.run_steps t
      join pgflow.deps d on d.step_id = t.step_id
      join pgflow.run_steps p on p.run_id = t.run_id and p.step_slug = d.dep_slug
      join pgflow.steps s on s.step_id = p.step_id
    where t.run_id = _steps_to_retry.run_id and t.step_slug = any (step_slugs) and p.step_slug <> all (step_slugs)
      and (p.skip_reason = 'dependency_skipped' or p.skip_reason = 'condition_unmet' and s.when_unmet = 'skip_cascade'
        or p.skip_reason = 'handler_failed' and s.when_exhausted = 'skip_cascade');
    exit when v_stay is null;
    step_slugs := array(select u.slug from unnest(step_slugs) u (slug) where u.slug <> all (v_stay));
  end loop;
  if _steps_to_retry.from_step <> all (step_slugs) then
    raise exception 'step "%" was skipped because a dependency was', _steps_to_retry.from_step
      using errcode = 'PF005', hint = 'Retry from the dependency that was skipped first.';
  end if;
end
$$;

comment on function pgflow._steps_to_retry(uuid, text) is
  'What retry_run reopens; rerun_slugs are those of which no result is kept.';

create function pgflow._requeue_map(run_id uuid, step_slug text, step_id int, queue_id int, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_indexes int[];
  v_size int[];
begin
  with reset as (
    update pgflow.map_tasks t
    set end_status = null, finished_at = null, output = null, error = null, failures = 0, launch_failures = 0, task_started_at = null,
      lease_expires_at = null, visible_at = null, token_hash = null, instance_id = null
    where t.run_id = _requeue_map.run_id and t.step_slug = _requeue_map.step_slug and t.end_status is distinct from 'completed'
    returning t.task_index
  )
  select array_agg(r.task_index order by r.task_index), array[count(*)] into v_indexes, v_size from reset r;
  insert into pgflow.map_counters (run_id, step_slug, slot, remaining)
  select _requeue_map.run_id, _requeue_map.step_slug, i.task_index % 16, count(*)
  from unnest(v_indexes) i (task_index) group by 3;
  update pgflow.run_steps t set status = 'running', started_at = _requeue_map.now
  where t.run_id = _requeue_map.run_id and t.step_slug = _requeue_map.step_slug;
  perform pgflow._enqueue(array_fill(_requeue_map.run_id, v_size), array_fill(_requeue_map.step_id, v_size), v_indexes,
    array_fill(_requeue_map.queue_id, v_size));
end
$$;

comment on function pgflow._requeue_map(uuid, text, int, int, timestamptz) is 'Queue the items of a map that did not complete, and start it again.';

create function pgflow._run_status(run_id uuid) returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_status text;
begin
  select r.status into v_status from pgflow.runs r where r.run_id = _run_status.run_id;
  if not found then
    raise exception 'no run %', coalesce(_run_status.run_id::text, 'null')
      using errcode = 'PF003', hint = 'Check the id and the database; runs that were pruned are gone.';
  end if;
  return v_status;
end
$$;

comment on function pgflow._run_status(uuid) is 'Status of a run; PF003 if there is none.';

create function pgflow.start_step(run_id uuid, step_slug text) returns boolean
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_now timestamptz;
  v_step pgflow.run_steps;
  v_next record;
begin
  perform pgflow._check_run(start_step.run_id);
  perform pgflow_locks.lock_runs(array[start_step.run_id]);
  v_now := pgflow.clock();
  select t.* into v_step from pgflow.run_steps t where t.run_id = start_step.run_id and t.step_slug = start_step.step_slug;
  if not found then
    raise exception 'no step "%" in run %', start_step.step_slug, start_step.run_id
      using errcode = 'PF003', hint = 'The steps of a run: select * from pgflow.step_states, or pgflow status.';
  end if;
  if v_step.status <> 'pending' or exists (
    select from pgflow.deps d join pgflow.run_steps p on p.run_id = v_step.run_id and p.step_slug = d.dep_slug
    where d.step_id = v_step.step_id and p.status not in ('completed', 'skipped'))
  then
    return false;
  end if;
  update pgflow.run_steps t set remaining_deps = 0 where t.run_id = v_step.run_id and t.step_slug = v_step.step_slug;
  v_next := pgflow._start_steps(array[v_step.run_id], array[v_step.step_id], null, v_now);
  perform pgflow._carry_on(v_next.ended_runs, v_next.ended_steps, v_next.ended_cascades, v_next.failed_runs, v_now);
  perform pgflow._notify();
  return true;
end
$$;

comment on function pgflow.start_step(uuid, text) is
  'Start a pending step whose dependencies ended. A repair verb: the engine starts steps by itself. True if this call moved the step; PF003 no such run or step, PF006 not yours.';

create function pgflow.cancel_run(run_id uuid, reason text default null) returns text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_status text;
begin
  perform pgflow._check_run(cancel_run.run_id);
  perform pgflow_locks.lock_runs(array[cancel_run.run_id]);
  v_status := pgflow._run_status(cancel_run.run_id);
  if v_status <> 'running' then
    return 'already_ended';
  end if;
  perform pgflow._close_run(cancel_run.run_id, 'cancelled',
    jsonb_build_object('code', 'CANCELLED', 'message', coalesce(left(cancel_run.reason, pgflow._limit('reason')::int), 'cancelled')), pgflow.clock());
  perform pgflow._notify();
  return 'cancelled';
end
$$;

comment on function pgflow.cancel_run(uuid, text) is
  'Cancel a run: queued tasks at once, running ones are fenced at once and told at their next heartbeat. cancelled or already_ended; PF003 if there is no such run, PF006 if it is not yours.';

create function pgflow.pause_run(run_id uuid) returns text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform pgflow._check_run(pause_run.run_id);
  perform pgflow_locks.lock_runs(array[pause_run.run_id]);
  if pgflow._run_status(pause_run.run_id) <> 'running' then
    return 'already_ended';
  end if;
  insert into pgflow.paused_runs (run_id, paused_at) values (pause_run.run_id, pgflow.clock())
  on conflict on constraint paused_runs_pkey do nothing;
  if not found then
    return 'already_paused';
  end if;
  perform pgflow._park_paused(array[pause_run.run_id], false);
  return 'paused';
end
$$;

comment on function pgflow.pause_run(uuid) is
  'Claim nothing new of a run; what runs may finish. paused, already_paused or already_ended; PF003 if there is no such run, PF006 if it is not yours.';

create function pgflow.resume_run(run_id uuid) returns text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_parked record;
  v_paused interval;
begin
  perform pgflow._check_run(resume_run.run_id);
  perform pgflow_locks.lock_runs(array[resume_run.run_id]);
  if pgflow._run_status(resume_run.run_id) <> 'running' then
    return 'already_ended';
  end if;
  delete from pgflow.paused_runs p where p.run_id = resume_run.run_id
  returning pgflow.clock() - p.paused_at into v_paused;
  if v_paused is null then
    return 'not_paused';
  end if;
  -- Paused time does not count as a missed lease.
  update pgflow.run_steps t set lease_expires_at = pgflow._shifted_lease(t.lease_expires_at, t.task_started_at, v_paused)
  where t.run_id = resume_run.run_id and t.status = 'running' and t.lease_expires_at is not null;
  update pgflow.map_tasks t set lease_expires_at = pgflow._shifted_lease(t.lease_expires_at, t.task_started_at, v_paused)
  where t.run_id = resume_run.run_id and t.end_status is null and t.lease_expires_at is not null;
  with unparked as (
    delete from pgflow.parked_tasks p where p.run_id = resume_run.run_id returning p.run_id, p.step_id, p.task_index
  )
  select array_agg(u.run_id order by s.step_index, u.task_index) as run_ids,
    array_agg(u.step_id order by s.step_index, u.task_index) as step_ids,
    array_agg(u.task_index order by s.step_index, u.task_index) as indexes,
    array_agg(t.queue_id order by s.step_index, u.task_index) as queue_ids
    into v_parked
  from unparked u
    cross join lateral (select x.step_slug, x.step_index from pgflow.steps x where x.step_id = u.step_id offset 0) s
    cross join lateral (select x.queue_id from pgflow.run_steps x where x.run_id = u.run_id and x.step_slug = s.step_slug offset 0) t;
  if v_parked.run_ids is not null then
    perform pgflow._enqueue(v_parked.run_ids, v_parked.step_ids, v_parked.indexes, v_parked.queue_ids);
  end if;
  perform pgflow._notify();
  return 'resumed';
end
$$;

comment on function pgflow.resume_run(uuid) is
  'Undo pause_run. resumed, not_paused or already_ended; PF003 if there is no such run, PF006 if it is not yours.';

create function pgflow.pause_executor(executor text, reason text default null) returns text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if coalesce(pause_executor.executor, '') = '' then
    raise exception 'executor must be given' using errcode = 'PF008';
  end if;
  -- Of two operators at once the second is told of the first.
  insert into pgflow.executors (executor) values (pause_executor.executor) on conflict do nothing;
  perform from pgflow.executors e where e.executor = pause_executor.executor for no key update;
  if exists (select from pgflow.executors e where e.executor = pause_executor.executor and e.paused_at is not null and e.probe_at is null) then
    return 'already_paused';
  end if;
  perform pgflow._set_executor_paused(pause_executor.executor, pause_executor.reason, pgflow.clock());
  return 'paused';
end
$$;

comment on function pgflow.pause_executor(text, text) is 'Claim nothing for an executor until it is resumed. paused or already_paused.';

create function pgflow.resume_executor(executor text) returns text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  update pgflow.executors e set paused_at = null, pause_reason = null, probe_at = null, refusals = 0
  where e.executor = resume_executor.executor and e.paused_at is not null;
  if not found then
    return 'not_paused';
  end if;
  perform pg_notify('pgflow_ready', resume_executor.executor);
  return 'resumed';
end
$$;

comment on function pgflow.resume_executor(text) is 'Undo pause_executor. resumed or not_paused.';

create function pgflow._reset_steps(run_id uuid, step_slugs text[], rerun_slugs text[]) returns int[]
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_waiting int[];
begin
  update pgflow.run_steps t
  set status = 'pending', skip_reason = null, started_at = null, finished_at = null, output = null, error = null, failures = 0,
    launch_failures = 0, failed_tasks = null, task_started_at = null, lease_expires_at = null, visible_at = null, token_hash = null,
    instance_id = null,
    -- Kept, it tells _start_map that the map goes on with the items it has.
    task_count = case when t.step_slug = any (_reset_steps.rerun_slugs) then null else t.task_count end,
    remaining_deps = (
      select count(*) from pgflow.deps d join pgflow.run_steps p on p.run_id = t.run_id and p.step_slug = d.dep_slug
      where d.step_id = t.step_id and (p.step_slug = any (_reset_steps.step_slugs) or p.status not in ('completed', 'skipped')))
  where t.run_id = _reset_steps.run_id and t.step_slug = any (_reset_steps.step_slugs);
  delete from pgflow.map_counters c where c.run_id = _reset_steps.run_id and c.step_slug = any (_reset_steps.step_slugs);
  select array_agg(t.step_id) into v_waiting from pgflow.run_steps t
  where t.run_id = _reset_steps.run_id and t.step_slug = any (_reset_steps.step_slugs) and t.status = 'pending' and t.remaining_deps = 0;
  return v_waiting;
end
$$;

comment on function pgflow._reset_steps(uuid, text[], text[]) is
  'Put steps of a run back to pending, budgets at zero; attempt numbers go on. Returns those that can start.';

create function pgflow.retry_run(run_id uuid, from_step text default null) returns text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_now timestamptz;
  v_status text;
  v_retried record;
  v_waiting int[];
  v_next record;
begin
  perform pgflow._check_run(retry_run.run_id);
  perform pgflow_locks.use_flow(r.flow_slug) from pgflow.runs r where r.run_id = retry_run.run_id;
  perform pgflow_locks.lock_runs(array[retry_run.run_id]);
  v_now := pgflow.clock();
  v_status := pgflow._run_status(retry_run.run_id);
  if v_status = 'running' then
    raise exception 'run % is still running', retry_run.run_id using errcode = 'PF005', hint = 'Cancel it first, or wait for its end.';
  elsif v_status = 'completed' and retry_run.from_step is null then
    raise exception 'run % completed: there is nothing to retry', retry_run.run_id
      using errcode = 'PF005', hint = 'Name a step to run it and everything downstream again.';
  end if;
  perform from pgflow.runs r where r.run_id = retry_run.run_id for update;
  if not found then
    raise exception 'run % has been pruned', retry_run.run_id using errcode = 'PF003';
  end if;
  v_retried := pgflow._steps_to_retry(retry_run.run_id, retry_run.from_step);
  if v_retried.step_slugs is null then
    raise exception 'no step of run % failed: there is nothing to retry', retry_run.run_id
      using errcode = 'PF005', hint = 'Name a step to run it and everything downstream again.';
  end if;
  update pgflow.runs r
  set status = 'running', finished_at = null, output = null, error = null,
    remaining_steps = (
      select count(*) from pgflow.steps s
      where s.flow_slug = r.flow_slug and s.flow_version = r.flow_version and s.step_slug = any (v_retried.step_slugs) and s.is_counted)
  where r.run_id = retry_run.run_id;
  perform pgflow._keep_completed(retry_run.run_id, v_retried.rerun_slugs);
  v_waiting := pgflow._reset_steps(retry_run.run_id, v_retried.step_slugs, v_retried.rerun_slugs);
  if v_waiting is not null then
    v_next := pgflow._start_steps(array_fill(retry_run.run_id, array[cardinality(v_waiting)]), v_waiting, null, v_now);
    perform pgflow._carry_on(v_next.ended_runs, v_next.ended_steps, v_next.ended_cascades, v_next.failed_runs, v_now);
  end if;
  perform pgflow._notify();
  return 'retrying';
end
$$;

comment on function pgflow.retry_run(uuid, text) is
  'Reopen a failed or cancelled run where it stopped, or any ended run from a step on. Completed outputs and items are kept. retrying; PF003 no such run or step, PF006 not yours, PF005 still running or nothing to retry.';

create function pgflow._pop_ready_of_steps(queue pgflow.queues, max_tasks int, wanted int[],
  out run_ids uuid[], out step_ids int[], out task_indexes int[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Walks past the entries of other steps, and leaves the low-water mark to those who take them.
  with popped as (
    delete from pgflow.ready_tasks t
    where t.ctid = any (array(
      select x.ctid from pgflow.ready_tasks x
      where x.queue_id = queue.queue_id and (x.xid, x.seq) >= (pgflow._low_mark(queue.low_xid), queue.low_seq)
        and x.step_id = any (_pop_ready_of_steps.wanted)
      order by x.xid, x.seq
      limit _pop_ready_of_steps.max_tasks
      for update skip locked))
    returning t.xid, t.seq, t.run_id, t.step_id, t.task_index
  )
  select array_agg(p.run_id order by p.xid, p.seq), array_agg(p.step_id order by p.xid, p.seq),
    array_agg(p.task_index order by p.xid, p.seq)
    into run_ids, step_ids, task_indexes
  from popped p;
end
$$;

comment on function pgflow._pop_ready_of_steps(pgflow.queues, int, int[]) is
  'As _pop_ready, of these steps alone: what a claim for some flows takes.';

create function pgflow.set_retention(keep interval) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if set_retention.keep is not null then
    perform pgflow._check_age('keep', set_retention.keep);
  end if;
  -- `where true`: Supabase refuses an update without a where in sessions of its API (safeupdate).
  update pgflow.settings s set retention = set_retention.keep where true;
end
$$;

comment on function pgflow.set_retention(interval) is 'Have maintain() delete runs that ended longer ago than this; null: keep them for ever.';

create function pgflow.postpone_lease_expiry(seconds double precision) returns timestamptz
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_until timestamptz;
begin
  perform pgflow._check_delay('seconds', postpone_lease_expiry.seconds);
  update pgflow.sweep_marks m
  set lease_grace_until = greatest(m.lease_grace_until, pgflow.clock() + make_interval(secs => least(postpone_lease_expiry.seconds, 3600)))
  where true
  returning m.lease_grace_until into v_until;
  return v_until;
end
$$;

comment on function pgflow.postpone_lease_expiry(double precision) is
  'Declare no lease expired for so many seconds (at most an hour): for dispatchers that were cut off from the database and come back.';

create function pgflow.maintain() returns jsonb
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_timers int := 0;
  v_retention interval;
  v_pruned int := 0;
  v_portion constant int := 500;
begin
  if not pgflow_locks.try_lock_maintenance() then
    return jsonb_build_object('skipped', true);
  end if;
  -- The whole index, also below the mark: a transaction may have committed after its timer was due.
  v_timers := pgflow._sweep_timers(v_now, '-infinity', 100);
  -- Marks from the future: the database was restored where transaction ids are lower. Claims ignore them until the ids have
  -- come so far; by then they are gone.
  update pgflow.queues q set low_xid = 0, low_seq = 0
  where q.ctid = any (array(
    select o.ctid from pgflow.queues o
    where pgflow._low_mark(o.low_xid) <> o.low_xid
    for update skip locked));
  perform pgflow._forget_live_logs(v_now);
  select s.retention into v_retention from pgflow.settings s;
  if v_retention is not null then
    v_pruned := pgflow.prune_runs(v_retention, v_portion);
  end if;
  perform pgflow._notify();
  return jsonb_build_object('skipped', false, 'timers', v_timers, 'pruned', v_pruned, 'more', v_pruned = v_portion);
end
$$;

comment on function pgflow.maintain() is
  'One bounded pass over due timers (delayed tasks, expired leases, deadlines), and up to 500 runs older than the retention. Anybody may call it; one works at a time.
Returns {"skipped", "timers", "pruned", "more"}: more is true when it deleted all it may at once, so that another pass may find others.';

create function pgflow._delete_runs(run_ids uuid[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
set enable_hashjoin to on
as $$
begin
  -- The hints too, by sequential scans: both tables hold only what is alive or was a moment ago. Joined by hashes: a test of each hint
  -- against each run took ten times as long as all the rest when sixty claims were under way.
  delete from pgflow.ready_tasks t where t.run_id in (select u.run_id from unnest(_delete_runs.run_ids) u (run_id));
  with named as (
    select t.ctid as timer from pgflow.timers t
    where t.ctid = any (array(
      select n.ctid from pgflow.timers n, unnest(n.run_ids) i (run_id), unnest(_delete_runs.run_ids) u (run_id) where u.run_id = i.run_id))
    for update skip locked
  ), taken as (
    delete from pgflow.timers t where t.ctid = any (array(select n.timer from named n))
    returning t.due_at, t.kind, t.executor, t.run_ids, t.step_ids, t.task_indexes
  )
  insert into pgflow.timers (due_at, kind, executor, run_ids, step_ids, task_indexes)
  select k.due_at, k.kind, k.executor, array_agg(i.run_id), array_agg(i.step_id), array_agg(i.task_index)
  from taken k, unnest(k.run_ids, k.step_ids, k.task_indexes) i (run_id, step_id, task_index)
  where i.run_id not in (select u.run_id from unnest(_delete_runs.run_ids) u (run_id))
  group by k.due_at, k.kind, k.executor;
  delete from pgflow.launches t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.paused_runs t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.parked_tasks t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.completed_task_logs t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.live_logs t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.task_progress t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.superseded_attempts t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.step_task_attempts t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.map_counters t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.map_tasks t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.run_steps t where t.run_id = any (_delete_runs.run_ids);
  delete from pgflow.runs t where t.run_id = any (_delete_runs.run_ids);
end
$$;

comment on function pgflow._delete_runs(uuid[]) is 'Delete runs with all their rows.';

create function pgflow.prune_runs(older_than interval, "limit" int) returns int
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_seqscan to off
set jit to off
as $$
declare
  v_cutoff timestamptz;
  v_first_young uuid;
  v_runs uuid[];
begin
  perform pgflow._check_age('older_than', prune_runs.older_than);
  if coalesce(prune_runs."limit" < 0, true) then
    raise exception 'limit must be 0 or more, not %', coalesce(prune_runs."limit"::text, 'null') using errcode = 'PF008';
  end if;
  v_cutoff := pgflow.clock() - prune_runs.older_than;
  v_first_young := pgflow._run_id_at(v_cutoff + interval '10 seconds');
  -- Run ids are ordered by time: young runs are not read, nor, of those whose id is later than they are, the ones made since. The row
  -- lock is enough: of the verbs only retry_run changes an ended run, and it starts with this row.
  v_runs := array(
    select r.run_id from pgflow.runs r
    where r.run_id < v_first_young and r.status <> 'running' and r.finished_at < v_cutoff
    order by r.run_id
    limit prune_runs."limit"
    for update skip locked);
  v_runs := v_runs || array(
    select r.run_id from pgflow.runs r
    where r.id_is_ahead and r.created_at < v_cutoff and r.run_id >= v_first_young and r.status <> 'running' and r.finished_at < v_cutoff
    order by r.created_at
    limit prune_runs."limit" - cardinality(v_runs)
    for update skip locked);
  if cardinality(v_runs) > 0 then
    perform pgflow._delete_runs(v_runs);
  end if;
  return cardinality(v_runs);
end
$$;

comment on function pgflow.prune_runs(interval, int) is 'Delete up to so many ended runs that finished longer ago than the interval. Returns how many.';

create view pgflow.live_task_logs with (security_invoker) as
select l.run_id, l.step_slug, l.task_index, l.attempt, l.log_tail, l.log_end, l.reported_at
from pgflow.live_logs l
  join pgflow.step_tasks t on t.run_id = l.run_id and t.step_slug = l.step_slug and t.task_index = l.task_index
where t.attempt = l.attempt and t.status in ('claimed', 'running');

comment on view pgflow.live_task_logs is
  'The end of what each attempt under way has written so far, where its executor tells. task_logs has what ended attempts wrote.';
comment on column pgflow.live_task_logs.run_id is 'The run.';
comment on column pgflow.live_task_logs.step_slug is 'The step.';
comment on column pgflow.live_task_logs.task_index is 'Index of the map item; 0 for a single step.';
comment on column pgflow.live_task_logs.attempt is 'Number of the attempt that wrote it.';
comment on column pgflow.live_task_logs.log_tail is 'The end of what it has written to its standard output and error.';
comment on column pgflow.live_task_logs.log_end is 'How many bytes it had written in all by then.';
comment on column pgflow.live_task_logs.reported_at is 'When that was reported.';

create function pgflow.backlog(max_counted int default 10000)
  returns table (executor text, ready_tasks bigint, oldest_seconds double precision, paused boolean)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
begin
  if backlog.max_counted is null or backlog.max_counted not between 1 and 1000000 then
    raise exception 'max_counted must be between 1 and 1000000' using errcode = 'PF008';
  end if;
  -- From each queue's low-water mark on: below it lie only entries that vacuum has yet to remove.
  return query
  select e.executor, least(coalesce(sum(n.counted), 0), backlog.max_counted)::bigint,
    greatest(0, extract(epoch from pgflow.clock() - min(f.ready_at)))::double precision, e.paused_at is not null
  from pgflow.executors e
    left join pgflow.queues q on q.executor = e.executor
    left join lateral (
      select count(*) as counted from (
        select from pgflow.ready_tasks t
        where t.queue_id = q.queue_id and (t.xid, t.seq) >= (pgflow._low_mark(q.low_xid), q.low_seq) limit backlog.max_counted) c) n on true
    left join lateral (
      select greatest(k.queued_at, k.waits_from) as ready_at from (
        select t.run_id, t.step_id, t.task_index from pgflow.ready_tasks t
        where t.queue_id = q.queue_id and (t.xid, t.seq) >= (pgflow._low_mark(q.low_xid), q.low_seq)
        order by t.xid, t.seq limit 1) o
        join pgflow.steps s on s.step_id = o.step_id
        cross join lateral (
          select r.started_at as queued_at, case when o.task_index = -1 then r.visible_at else m.visible_at end as waits_from
          from pgflow.run_steps r
            left join pgflow.map_tasks m on m.run_id = r.run_id and m.step_slug = r.step_slug and m.task_index = o.task_index
          where r.run_id = o.run_id and r.step_slug = s.step_slug) k) f on true
  group by e.executor, e.paused_at
  order by e.executor;
end
$$;

comment on function pgflow.backlog(int) is
  'How many tasks of each executor are ready, counted up to max_counted, and for how many seconds the first in line has been (0 if none is).';

create function pgflow.sweep_lag() returns double precision
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_seqscan to off
as $$
declare
  v_now timestamptz := pgflow.clock();
begin
  return coalesce((
    select extract(epoch from v_now - t.due_at) from pgflow.timers t
    where t.due_at between (select least(m.timer_low, v_now) from pgflow.sweep_marks m) and v_now
    order by t.due_at limit 1), 0);
end
$$;

comment on function pgflow.sweep_lag() is 'For how many seconds the first timer has been due that nobody has followed yet; 0 if none is.';

create function pgflow.queue_waits(run_ids uuid[], step_slugs text[], task_indexes int[])
  returns table (ordinal int, wait_seconds double precision)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_seqscan to off
set jit to off
as $$
begin
  return query
  select u.ordinality::int,
    greatest(0, extract(epoch from coalesce(t.task_started_at, pgflow.clock()) - greatest(t.queued_at, t.visible_at)))::double precision
  from unnest(queue_waits.run_ids, queue_waits.step_slugs, queue_waits.task_indexes) with ordinality u (run_id, step_slug, task_index, ordinality)
    cross join lateral (
      select x.* from pgflow._tasks x
      where x.run_id = u.run_id and x.step_slug = u.step_slug and x.task_index = u.task_index offset 0) t
  where t.lease_expires_at is not null or t.task_started_at is not null
  order by u.ordinality;
end
$$;

comment on function pgflow.queue_waits(uuid[], text[], int[]) is
  'For how many seconds each of these tasks was ready before its latest attempt was claimed or started; nothing for one that waits.';

create function pgflow._keep_live_logs(tasks jsonb, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.live_logs (run_id, step_slug, task_index, attempt, log_tail, log_end, reported_at)
  select distinct on (r.run_id, r.step_slug, r.task_index) r.run_id, r.step_slug, r.task_index, t.attempt, r.log_tail #>> '{}',
    (r.log_end)::bigint, _keep_live_logs.now
  from jsonb_to_recordset(_keep_live_logs.tasks) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid, log_tail jsonb, log_end jsonb)
    cross join lateral (
      select k.attempt from pgflow._tasks k
      where k.run_id = r.run_id and k.step_slug = r.step_slug and k.task_index = r.task_index and k.status in ('claimed', 'running')
        and k.token_hash = pgflow._token_hash(r.attempt_token)
      offset 0) t
  where jsonb_typeof(r.log_tail) = 'string' and octet_length(r.log_tail #>> '{}') between 1 and 65536
    and case when jsonb_typeof(r.log_end) = 'number' then (r.log_end)::numeric between 0 and 1e15 else false end
  -- In key order, so that two callers with the same tasks wait for each other at most once.
  order by r.run_id, r.step_slug, r.task_index
  on conflict on constraint live_logs_pkey do update
    set attempt = excluded.attempt, log_tail = excluded.log_tail, log_end = excluded.log_end, reported_at = excluded.reported_at
    -- Heartbeats of one attempt may overtake each other: what is followed never goes back.
    where (excluded.attempt, excluded.log_end) >= (live_logs.attempt, live_logs.log_end);
end
$$;

comment on function pgflow._keep_live_logs(jsonb, timestamptz) is
  'Keep the end of what current attempts have written; what is empty, or longer than 64 KiB, is left out, and so is what a later heartbeat has overtaken.';

create function pgflow._get_step(run_id uuid, step_slug text, with_output boolean) returns jsonb
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object('step_slug', t.step_slug, 'step_index', s.step_index, 'step_type', s.step_type, 'status', t.status,
      'skip_reason', t.skip_reason, 'output', case when _get_step.with_output then t.output end, 'error', t.error, 'task_count', t.task_count, 'started_at', t.started_at,
      'finished_at', t.finished_at,
      'deps', (select coalesce(jsonb_agg(d.dep_slug order by d.dep_id), '[]') from pgflow.deps d where d.step_id = s.step_id),
      'attempts', (select count(*) from pgflow.step_task_attempts a where a.run_id = t.run_id and a.step_slug = t.step_slug),
      'progress', (
        select p.progress
        from pgflow.task_progress p
          join pgflow._tasks k on k.run_id = p.run_id and k.step_slug = p.step_slug and k.task_index = p.task_index and k.attempt = p.attempt
        where p.run_id = t.run_id and p.step_slug = t.step_slug and s.step_type = 'single' and k.status in ('claimed', 'running')),
      'tasks', (
        select jsonb_build_object('queued', count(*) filter (where k.status = 'queued'), 'claimed', count(*) filter (where k.status = 'claimed'),
          'running', count(*) filter (where k.status = 'running'), 'completed', count(*) filter (where k.status = 'completed'),
          'failed', count(*) filter (where k.status = 'failed'), 'cancelled', count(*) filter (where k.status = 'cancelled'))
        from pgflow._tasks k where k.run_id = t.run_id and k.step_slug = t.step_slug))
    from pgflow.step_states t
      join pgflow.run_steps x on x.run_id = t.run_id and x.step_slug = t.step_slug
      join pgflow.steps s on s.step_id = x.step_id
    where t.run_id = _get_step.run_id and t.step_slug = _get_step.step_slug);
end
$$;

comment on function pgflow._get_step(uuid, text, boolean) is 'A step of a run with the counts of its tasks, as get_run shows it.';

create function pgflow.get_run(run_id uuid) returns jsonb
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_run jsonb;
  v_fits boolean;
begin
  perform pgflow._check_run(get_run.run_id, '{pgflow_owner,pgflow_dispatcher,pgflow_viewer}');
  -- What is shown must fit into one value: the outputs of steps are left out where there is too much of them.
  select coalesce(sum(pgflow._size(t.output)), 0) + (
      select coalesce(sum(pgflow._size(m.output)), 0) from pgflow.map_tasks m where m.run_id = get_run.run_id) <= pgflow._limit('map_output')
    into v_fits
  from pgflow.run_steps t where t.run_id = get_run.run_id;
  select jsonb_build_object('run_id', r.run_id, 'flow_slug', r.flow_slug, 'flow_version', r.flow_version, 'status', r.status,
      'input', r.input, 'output', r.output, 'error', r.error, 'priority', r.priority, 'tags', r.tags, 'owner', r.owner,
      'idempotency_key', r.idempotency_key, 'paused_at', (select p.paused_at from pgflow.paused_runs p where p.run_id = r.run_id), 'created_at', r.created_at, 'finished_at', r.finished_at,
      'outputs_left_out', not v_fits,
      'steps', (
        select to_jsonb(array_agg(pgflow._get_step(r.run_id, s.step_slug, v_fits) order by s.step_index))
        from pgflow.steps s where s.flow_slug = r.flow_slug and s.flow_version = r.flow_version))
    into v_run
  from pgflow.runs r where r.run_id = get_run.run_id;
  return v_run;
end
$$;

comment on function pgflow.get_run(uuid) is 'A run, its steps and the counts of their tasks: what a status page needs. PF003 if there is no such run, PF006 if it is not yours.';

create function pgflow.check_invariants(run_id uuid default null)
  returns table (invariant text, violating_run uuid, step_slug text, task_index int, details text)
language sql stable security definer
set search_path to pg_catalog, pg_temp
-- Every join here is over whole tables, whose sizes nobody may have told the planner.
set enable_nestloop to off
set jit to off
as $$
  with states as (
    select t.*, s.step_type, s.executor, s.is_counted, r.status as run_status
    from pgflow.run_steps t join pgflow.steps s on s.step_id = t.step_id join pgflow.runs r on r.run_id = t.run_id
    where check_invariants.run_id is null or t.run_id = check_invariants.run_id
  ), tasks as (
    select k.*, r.status as run_status, p.paused_at, st.status as step_status
    from pgflow._tasks k join pgflow.runs r on r.run_id = k.run_id left join pgflow.paused_runs p on p.run_id = k.run_id
      join pgflow.run_steps st on st.run_id = k.run_id and st.step_slug = k.step_slug
    where check_invariants.run_id is null or k.run_id = check_invariants.run_id
  ), timed as (
    select t.kind, u.run_id, u.step_id, u.ready_index, min(t.due_at) as due_at
    from pgflow.timers t, unnest(t.run_ids, t.step_ids, t.task_indexes) u (run_id, step_id, ready_index)
    group by 1, 2, 3, 4
  ), entries as (
    select e.run_id, e.step_id, e.task_index, e.queue_id from pgflow.ready_tasks e group by 1, 2, 3, 4
  )
  select 'a run has a status of runs, an end exactly when it ended, and no negative count', r.run_id, null::text, null::int,
    format('%s, %s, %s steps left', r.status, coalesce(r.finished_at::text, 'no end'), r.remaining_steps)
  from pgflow.runs r
  where (check_invariants.run_id is null or r.run_id = check_invariants.run_id)
    and (r.status not in ('running', 'completed', 'failed', 'cancelled') or (r.status = 'running') <> (r.finished_at is null)
      or r.remaining_steps < 0)
  union all
  select 'a step has a status of steps, an end exactly when it ended, and a reason exactly when it was skipped', s.run_id, s.step_slug, null,
    format('%s, %s, %s', s.status, coalesce(s.finished_at::text, 'no end'), coalesce(s.skip_reason, 'no reason'))
  from states s
  where s.status not in ('pending', 'running', 'completed', 'failed', 'skipped', 'cancelled')
    or (s.status in ('pending', 'running')) <> (s.finished_at is null) or (s.status = 'skipped') <> (s.skip_reason is not null)
  union all
  select 'a map task has an end of tasks, at a time exactly when it ended', m.run_id, m.step_slug, m.task_index,
    format('%s, %s', coalesce(m.end_status, 'no end'), coalesce(m.finished_at::text, 'no time'))
  from pgflow.map_tasks m
  where (check_invariants.run_id is null or m.run_id = check_invariants.run_id)
    and (m.end_status not in ('completed', 'failed', 'cancelled') or (m.end_status is null) <> (m.finished_at is null))
  union all
  select 'a counter of a map step is not negative', c.run_id, c.step_slug, null, c.remaining::text
  from pgflow.map_counters c
  where c.remaining < 0 and (check_invariants.run_id is null or c.run_id = check_invariants.run_id)
  union all
  select 'a terminal run has no live step', s.run_id, s.step_slug, null, format('run %s, step %s', s.run_status, s.status)
  from states s where s.run_status <> 'running' and s.status in ('pending', 'running')
  union all
  select 'a terminal step has no live task', t.run_id, t.step_slug, t.task_index, format('step %s, task %s', t.step_status, t.status)
  from tasks t where t.step_status not in ('pending', 'running') and t.is_live
  union all
  select 'remaining_steps counts the live counted steps of a running run', r.run_id, null, null,
    format('says %s, is %s of %s', r.remaining_steps, count(s.run_id) filter (where s.is_counted), count(s.run_id))
  from pgflow.runs r left join states s on s.run_id = r.run_id and s.status in ('pending', 'running')
  where r.status = 'running' and (check_invariants.run_id is null or r.run_id = check_invariants.run_id)
  group by r.run_id having r.remaining_steps <> count(s.run_id) filter (where s.is_counted) or r.remaining_steps = 0
  union all
  select 'remaining_deps counts the live dependencies of a pending step', s.run_id, s.step_slug, null,
    format('says %s, is %s', s.remaining_deps, count(p.run_id))
  from states s left join pgflow.deps d on d.step_id = s.step_id
    left join pgflow.run_steps p on p.run_id = s.run_id and p.step_slug = d.dep_slug and p.status in ('pending', 'running')
  where s.status = 'pending'
  group by s.run_id, s.step_slug, s.remaining_deps having s.remaining_deps <> count(p.run_id) or count(p.run_id) = 0
  union all
  select 'a started step has all its dependencies completed or skipped', s.run_id, s.step_slug, null,
    format('%s is %s', p.step_slug, p.status)
  from states s join pgflow.deps d on d.step_id = s.step_id
    join pgflow.run_steps p on p.run_id = s.run_id and p.step_slug = d.dep_slug
  where s.status in ('running', 'completed', 'failed') and p.status not in ('completed', 'skipped')
  union all
  select 'a map step has as many tasks as items', s.run_id, s.step_slug, null, format('%s of %s', count(m.run_id), s.task_count)
  from states s left join pgflow.map_tasks m on m.run_id = s.run_id and m.step_slug = s.step_slug
  where s.step_type = 'map' and s.status in ('running', 'completed')
  group by s.run_id, s.step_slug, s.task_count having count(m.run_id) is distinct from s.task_count
  union all
  select 'the counters of a running map step count its live tasks', s.run_id, s.step_slug, null, format('%s, not %s', coalesce(c.remaining, 0), coalesce(m.live, 0))
  from states s
    left join (select c.run_id, c.step_slug, sum(c.remaining) as remaining from pgflow.map_counters c group by 1, 2) c
      on c.run_id = s.run_id and c.step_slug = s.step_slug
    left join (select m.run_id, m.step_slug, count(*) as live from pgflow.map_tasks m where m.end_status is null group by 1, 2) m
      on m.run_id = s.run_id and m.step_slug = s.step_slug
  where s.step_type = 'map' and s.status = 'running' and (c.remaining is distinct from m.live or m.live is null)
  union all
  select 'only running runs are paused', p.run_id, null, null, r.status
  from pgflow.paused_runs p left join pgflow.runs r on r.run_id = p.run_id
  where r.status is distinct from 'running' and (check_invariants.run_id is null or p.run_id = check_invariants.run_id)
  union all
  select 'a completed task has an output', t.run_id, t.step_slug, t.task_index, null
  from tasks t where t.status = 'completed' and t.output is null
  union all
  select 'a queued task has an entry that will be followed: ready, parked, or a timer no later than its time',
    t.run_id, t.step_slug, t.task_index, t.visible_at::text
  from tasks t
    left join entries e on e.queue_id = t.queue_id and e.run_id = t.run_id and e.step_id = t.step_id and e.task_index = t.ready_index
    left join pgflow.parked_tasks p on p.run_id = t.run_id and p.step_id = t.step_id and p.task_index = t.ready_index
    left join timed d on d.kind = 'delay' and d.run_id = t.run_id and d.step_id = t.step_id and d.ready_index = t.ready_index
  where t.status = 'queued' and e.run_id is null and (p.run_id is null or t.paused_at is null)
    and (d.run_id is null or d.due_at > t.visible_at)
  union all
  select 'a live lease has a timer', t.run_id, t.step_slug, t.task_index, t.lease_expires_at::text
  from tasks t
    left join timed d on d.kind = 'lease' and d.run_id = t.run_id and d.step_id = t.step_id and d.ready_index = t.ready_index
  where t.status in ('claimed', 'running') and d.run_id is null
  union all
  select 'a claimed task that has not started is noted as launched', t.run_id, t.step_slug, t.task_index, t.external_id
  from tasks t
    left join pgflow.launches l on l.run_id = t.run_id and l.step_slug = t.step_slug and l.task_index = t.task_index and l.attempt = t.attempt
  where t.status = 'claimed' and l.run_id is null
  union all
  select 'a leased task has a token and an attempt', t.run_id, t.step_slug, t.task_index, null
  from tasks t where t.status in ('claimed', 'running') and (t.token_hash is null or t.attempt = 0)
  union all
  select 'no attempt of a task that completed is recorded as its end', a.run_id, a.step_slug, a.task_index,
    format('attempt %s %s', a.attempt, a.outcome)
  from pgflow.step_task_attempts a join tasks t on t.run_id = a.run_id and t.step_slug = a.step_slug and t.task_index = a.task_index
  where t.status = 'completed' and a.attempt = t.attempt and a.outcome <> 'late'
$$;

comment on function pgflow.check_invariants(uuid) is
  'One row a violation of what must always hold, for one run or all; none is as it should be. Reads whole tables: for tests and for doubt.';

create function pgflow._check_list(status text, tags jsonb, "limit" int, max_scanned int) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if _check_list.status not in ('running', 'completed', 'failed', 'cancelled') then
    raise exception 'status must be running, completed, failed or cancelled, not %', _check_list.status using errcode = 'PF008';
  end if;
  if jsonb_typeof(_check_list.tags) <> 'object' then
    raise exception 'tags must be an object, not of type %', jsonb_typeof(_check_list.tags) using errcode = 'PF008';
  end if;
  if _check_list."limit" is null or _check_list."limit" < 1 or _check_list.max_scanned is null or _check_list.max_scanned < 1 then
    raise exception 'limit and max_scanned must be at least 1' using errcode = 'PF008';
  end if;
end
$$;

comment on function pgflow._check_list(text, jsonb, int, int) is 'Refuse what list_runs cannot take, with PF008.';

-- Walks the primary key backwards, run ids being ordered by time, and stops at max_scanned rows: no filter has an index,
-- which every start of a run would pay for. enable_sort off leaves that walk as the only plan, but for users where an index
-- on (owner, run_id) was added: the plan is made for each call, so that it can see that they ask for one owner.
create function pgflow.list_runs(
  status text default null, flow_slug text default null, tags jsonb default null, owner text default null,
  since timestamptz default null, before uuid default null, "limit" int default 20, max_scanned int default 100000)
returns jsonb
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
set enable_seqscan to off
set enable_sort to off
set jit to off
as $$
declare
  v_before constant uuid := coalesce(list_runs.before, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
  v_first constant uuid := pgflow._run_id_at(greatest(list_runs.since, 'epoch') - interval '1 day');
  v_readable constant text := pgflow.readable_owner();
  -- What a user learns does not depend on other people's runs: those are not even counted as looked at.
  v_user constant text := case when pgflow._is_user() then v_readable end;
  v_runs jsonb;
  v_next uuid;
begin
  perform pgflow._check_list(list_runs.status, list_runs.tags, list_runs."limit", list_runs.max_scanned);
  select coalesce(jsonb_agg(to_jsonb(r) order by r.run_id desc), '[]') into v_runs
  from (
    select s.run_id, s.flow_slug, s.flow_version, s.status, s.error, s.priority, s.idempotency_key, s.tags, s.owner, s.created_at, s.finished_at
    from (
      select * from pgflow.runs t
      where t.run_id < v_before and t.run_id >= v_first and (v_user is null or t.owner = v_user)
      order by t.run_id desc
      limit list_runs.max_scanned) s
    where (v_readable is null or s.owner = v_readable)
      and (list_runs.status is null or s.status = list_runs.status)
      and (list_runs.flow_slug is null or s.flow_slug = list_runs.flow_slug)
      and (list_runs.owner is null or s.owner = list_runs.owner)
      and (list_runs.tags is null or s.tags @> list_runs.tags)
      and (list_runs.since is null or s.created_at >= list_runs.since)
    order by s.run_id desc
    limit list_runs."limit") r;
  if jsonb_array_length(v_runs) >= list_runs."limit" then
    v_next := v_runs -> -1 ->> 'run_id';
  else
    v_next := (
      select t.run_id from pgflow.runs t
      where t.run_id < v_before and t.run_id >= v_first and (v_user is null or t.owner = v_user)
      order by t.run_id desc
      offset list_runs.max_scanned - 1
      limit 1);
  end if;
  return jsonb_build_object('runs', v_runs, 'next', v_next);
end
$$;

comment on function pgflow.list_runs(text, text, jsonb, text, timestamptz, uuid, int, int) is
  'The newest of the caller''s runs (or of all, for whoever may read all) that match what is given, by run id. Looks at no more than max_scanned runs (of a user: of his own): "next" is what to give as before to go on, null at the end.';

-- What changes while a run runs, and nothing that is large: no input, no output, no traceback; items are counted by their counters.
create function pgflow.get_progress(run_id uuid) returns jsonb
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_progress jsonb;
begin
  perform pgflow._check_run(get_progress.run_id, '{pgflow_owner,pgflow_dispatcher,pgflow_viewer}');
  select jsonb_build_object('run_id', r.run_id, 'status', r.status,
      'paused_at', (select p.paused_at from pgflow.paused_runs p where p.run_id = r.run_id),
      'steps', (
        select jsonb_agg(
          jsonb_build_object('step_slug', t.step_slug, 'step_type', s.step_type, 'status', t.status, 'skip_reason', t.skip_reason,
            'task_count', n.tasks, 'tasks_ended', n.tasks - n.remaining, 'attempts', coalesce(a.attempts, 0),
            'error', case when t.status in ('failed', 'skipped') then t.error - 'traceback' end,
            'progress', (
              select p.progress from pgflow.task_progress p
              where p.run_id = t.run_id and p.step_slug = t.step_slug and p.task_index = 0 and p.attempt = t.attempt
                and s.step_type = 'single' and t.status = 'running' and t.lease_expires_at is not null),
            'is_in_hand', t.status = 'running' and t.lease_expires_at is not null,
            'started_at', t.started_at, 'finished_at', t.finished_at)
          order by s.step_index)
        from pgflow.run_steps t
          join pgflow.steps s on s.step_id = t.step_id
          left join (
            select x.step_slug, count(*) as attempts from pgflow.step_task_attempts x where x.run_id = get_progress.run_id group by x.step_slug
          ) a on a.step_slug = t.step_slug
          cross join lateral (
            select case when s.step_type = 'single' then 1 else t.task_count end as tasks,
              case when t.status not in ('pending', 'running') then 0
                when s.step_type = 'single' then 1
                else (select coalesce(sum(c.remaining), 0) from pgflow.map_counters c where c.run_id = t.run_id and c.step_slug = t.step_slug)
              end as remaining
          ) n
        where t.run_id = r.run_id))
    into v_progress
  from pgflow.runs r where r.run_id = get_progress.run_id;
  return v_progress;
end
$$;

comment on function pgflow.get_progress(uuid) is
  'How far a run and each of its steps are: for those who look again and again. PF003 if there is no such run, PF006 if it is not yours.';

create function pgflow._worker_key(key text, executor text, now timestamptz) returns pgflow.worker_keys
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_key pgflow.worker_keys;
begin
  -- Hashes are compared, so how long it takes says nothing about a key.
  select k.* into v_key from pgflow.worker_keys k
  where k.token_hash = sha256(convert_to(_worker_key.key, 'UTF8'))
    and k.revoked_at is null and (k.expires_at is null or k.expires_at > _worker_key.now);
  if not found then
    raise exception 'the worker key is unknown, was revoked, or has expired' using errcode = 'PF009',
      hint = 'Have a new one made: pgflow keys create.';
  elsif _worker_key.executor <> all (v_key.executors) then
    raise exception 'worker key "%" is not for executor "%"', v_key.name, _worker_key.executor using errcode = 'PF006',
      hint = format('It is for: %s.', array_to_string(v_key.executors, ', '));
  end if;
  return v_key;
end
$$;

comment on function pgflow._worker_key(text, text, timestamptz) is
  'What a key stands for; PF009 if it is worth nothing now, PF006 if it is not for this executor.';

create function pgflow.claim_with_key(key text, executor text, worker_id text, max_tasks int default 1,
  lease_seconds double precision default 30, mode text default 'start', inputs text default 'full')
  returns table (run_id uuid, flow_slug text, flow_version int, step_slug text, step_type text, task_index int, attempt int,
    attempt_token uuid, handler text, params jsonb, input jsonb, executor_options jsonb, timeout_seconds double precision,
    heartbeat_timeout_seconds double precision, max_attempts int, failures int, priority int, external_id text,
    lease_expires_at timestamptz)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  -- Not a perform, which is a statement: that costs ten times as much.
  v_is_valid constant boolean := pgflow._check_claim(claim_with_key.executor, claim_with_key.worker_id, claim_with_key.max_tasks,
    claim_with_key.lease_seconds, claim_with_key.mode, claim_with_key.inputs);
  v_now constant timestamptz := pgflow.clock();
  v_key pgflow.worker_keys;
begin
  v_key := pgflow._worker_key(claim_with_key.key, claim_with_key.executor, v_now);
  if v_key.last_used_at is null or v_key.last_used_at <= v_now - interval '1 minute' then
    -- By try: of workers that share a key one writes, and none waits.
    update pgflow.worker_keys k
    set last_used_at = v_now
    where k.ctid = any (array(select x.ctid from pgflow.worker_keys x where x.key_id = v_key.key_id for no key update skip locked));
  end if;
  return query
  select c.* from pgflow._claim(claim_with_key.executor, claim_with_key.worker_id, claim_with_key.max_tasks, claim_with_key.lease_seconds,
    claim_with_key.mode, claim_with_key.inputs, v_key.flows) c;
end
$$;

comment on function pgflow.claim_with_key(text, text, text, int, double precision, text, text) is
  'As claim_step_tasks, for a worker without rights of its own: the key says for which executors, and of which flows. PF009 if the key is unknown, revoked or expired, PF006 if it is not for this executor.';

create function pgflow.create_worker_key(name text, executors text[], flows text[] default null, expires_at timestamptz default null)
  returns table (key_id uuid, key text)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := pgflow.clock();
  v_name text;
begin
  perform pgflow._check_name('name', create_worker_key.name);
  if coalesce(create_worker_key.name, '') = '' then
    raise exception 'name must be given' using errcode = 'PF008', hint = 'Say who will use the key.';
  elsif coalesce(cardinality(create_worker_key.executors), 0) = 0 then
    raise exception 'executors must name at least one' using errcode = 'PF008', hint = 'A key is for the executors it names.';
  elsif cardinality(create_worker_key.flows) = 0 then
    raise exception 'flows must name at least one, or be null' using errcode = 'PF008', hint = 'Null stands for all flows.';
  elsif create_worker_key.expires_at <= v_now then
    raise exception 'expires_at must lie in the future' using errcode = 'PF008';
  end if;
  foreach v_name in array create_worker_key.executors || create_worker_key.flows loop
    perform pgflow._check_name('executors and flows', v_name);
    if coalesce(v_name, '') = '' then
      raise exception 'executors and flows must not hold an empty name' using errcode = 'PF008';
    end if;
  end loop;
  key_id := gen_random_uuid();
  key := 'pgflow_key_' || replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');
  insert into pgflow.worker_keys (key_id, name, token_hash, executors, flows, created_at, created_by, expires_at)
  values (create_worker_key.key_id, create_worker_key.name, sha256(convert_to(create_worker_key.key, 'UTF8')), create_worker_key.executors,
    create_worker_key.flows, v_now, pgflow._caller(), create_worker_key.expires_at);
  return next;
end
$$;

comment on function pgflow.create_worker_key(text, text[], text[], timestamptz) is
  'Make a key with which workers claim tasks of these executors, and of these flows if any are named. It is shown this once: only its hash is stored.';

create function pgflow.revoke_worker_key(key_id uuid) returns text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_was timestamptz;
begin
  select k.revoked_at into v_was from pgflow.worker_keys k where k.key_id = revoke_worker_key.key_id for no key update;
  if not found then
    raise exception 'no worker key %', coalesce(revoke_worker_key.key_id::text, 'null') using errcode = 'PF003',
      hint = 'pgflow keys list shows them.';
  elsif v_was is not null then
    return 'already_revoked';
  end if;
  update pgflow.worker_keys k set revoked_at = pgflow.clock() where k.key_id = revoke_worker_key.key_id;
  return 'revoked';
end
$$;

comment on function pgflow.revoke_worker_key(uuid) is
  'Let nothing more be claimed with a key; tasks that were claimed with it go on. revoked or already_revoked; PF003 if there is none.';

create function pgflow._forget_live_logs(now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  delete from pgflow.live_logs d
  where d.ctid = any (array(
    select l.ctid from pgflow.live_logs l
    where l.reported_at < _forget_live_logs.now - interval '1 minute'
      and not exists (
        select from pgflow.live_task_logs v
        where v.run_id = l.run_id and v.step_slug = l.step_slug and v.task_index = l.task_index)
    limit 500
    for update skip locked));
end
$$;

comment on function pgflow._forget_live_logs(timestamptz) is 'Delete what attempts had written that are over since, at most 500.';

create view pgflow._doctor_settings as
select v.severity, s.name as subject, format('%s = %s: %s', s.name, s.reset_val, v.finding) as finding,
  replace(v.mend, 'DATABASE', quote_ident(current_database())) as mend
from pg_catalog.pg_settings s
  join (values
    ('autovacuum', 'error', array['off'], 'dead rows stay, and every claim reads past them',
      'alter system set autovacuum = on; select pg_reload_conf();'),
    ('track_counts', 'error', array['off'], 'autovacuum does not see what changes', 'alter system set track_counts = on; select pg_reload_conf();'),
    ('fsync', 'error', array['off'], 'a crash of the machine can ruin every table',
      'alter system set fsync = on; select pg_reload_conf(); it may be off for data nobody misses'),
    ('full_page_writes', 'error', array['off'], 'a crash of the machine can ruin every table',
      'alter system set full_page_writes = on; select pg_reload_conf(); it may be off for data nobody misses'),
    ('synchronous_commit', 'warning', array['off'], 'a crash forgets the last commits: tasks run again, runs just started are gone',
      'alter system set synchronous_commit = on; select pg_reload_conf(); or leave it to the sessions that can afford it'),
    ('default_transaction_read_only', 'error', array['on'], 'nothing can be claimed or reported',
      'alter database DATABASE reset default_transaction_read_only, or alter role; or connect to the primary server'),
    ('default_transaction_isolation', 'warning', array['repeatable read', 'serializable'],
      'sessions that meet end with serialization errors and have to begin again',
      'alter database DATABASE reset default_transaction_isolation, or alter role; the engine is made for read committed'),
    ('idle_in_transaction_session_timeout', 'note', array['0'], 'a client that stops inside a transaction holds its runs for ever',
      'alter database DATABASE set idle_in_transaction_session_timeout = ''5min'';')
  ) v (name, severity, bad_values, finding, mend) on v.name = s.name and s.reset_val = any(v.bad_values)
union all
select 'warning', s.name, format('%s = %s ms: large batches, migrations and maintenance are cut off', s.name, s.reset_val),
  format('alter database %I set statement_timeout = ''60s''; or 0; or alter role', current_database())
from pg_catalog.pg_settings s
where s.name = 'statement_timeout' and s.reset_val::bigint between 1 and 9999
union all
select 'warning', 'max_locks_per_transaction',
  format('max_locks_per_transaction = %s: room for few locks of all sessions together, and one batch may lock 500 runs',
    current_setting('max_locks_per_transaction')),
  'alter system set max_locks_per_transaction = 128; then restart the server'
where current_setting('max_locks_per_transaction')::bigint
  * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint) < 5000;

comment on view pgflow._doctor_settings is 'Settings of the server, role or database that lose data, time or locks.';

create view pgflow._doctor_long_transactions as
with holders as (
  select distinct l.pid
  from pg_catalog.pg_locks l left join pg_catalog.pg_class c on c.oid = l.relation
  where l.granted
    and (l.locktype = 'advisory' and l.classid between 7150101 and 7150105
      or c.relnamespace = 'pgflow'::regnamespace and l.mode <> 'AccessShareLock')
)

select case when h.pid is null then 'warning' else 'error' end as severity, format('pid %s', a.pid) as subject,
  format('%s of user %s is %s; its transaction is open since %s%s%s', coalesce(nullif(a.application_name, ''), 'a session'), a.usename, a.state,
    date_trunc('second', a.xact_start),
    case when h.pid is not null then ' and holds locks of PGFlow: others wait, or go on without these runs' end,
    case when coalesce(a.backend_xid, a.backend_xmin) is not null then '; it keeps vacuum from removing dead rows' end) as finding,
  format('let it commit or roll back, or: select pg_terminate_backend(%s);', a.pid) as mend
from pg_catalog.pg_stat_activity a
  left join holders h on h.pid = a.pid
where a.datname = current_database() and a.backend_type = 'client backend' and a.pid <> pg_backend_pid()
  and a.xact_start < pgflow.clock() - case when a.state like 'idle in transaction%' then interval '1 minute' else interval '10 minutes' end;

comment on view pgflow._doctor_long_transactions is
  'Transactions idle for a minute or open for ten: they keep old row versions alive, and maybe runs locked.';

create view pgflow._doctor_prepared_transactions as
select 'error' as severity, p.gid as subject,
  format('transaction prepared at %s by user %s is neither committed nor rolled back: it keeps its locks and every dead row since',
    date_trunc('second', p.prepared), p.owner) as finding,
  format('in this database: commit prepared %L; or rollback prepared %L;', p.gid, p.gid) as mend
from pg_catalog.pg_prepared_xacts p
where p.database = current_database() and p.prepared < pgflow.clock() - interval '5 minutes';

comment on view pgflow._doctor_prepared_transactions is 'Two-phase transactions that somebody forgot: no restart ends them.';

create view pgflow._doctor_replication_slots as
select case when s.xmin is not null or s.catalog_xmin is not null then 'error' else 'warning' end as severity, s.slot_name::text as subject,
  format('nobody reads this %s replication slot: it keeps %s of WAL%s', s.slot_type,
    pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)),
    case when s.xmin is not null or s.catalog_xmin is not null then ' and dead rows from vacuum' end) as finding,
  format('start its reader, or: select pg_drop_replication_slot(%L);', s.slot_name) as mend
from pg_catalog.pg_replication_slots s
where not s.active and not pg_is_in_recovery() and (s.xmin is not null or s.catalog_xmin is not null or s.restart_lsn is not null);

comment on view pgflow._doctor_replication_slots is 'Replication slots without a reader: they fill the disk, and may hold dead rows.';

create view pgflow._doctor_dead_rows as
select 'warning' as severity, format('%I.%I', t.schemaname, t.relname) as subject,
  format('%s dead rows beside %s live ones; last vacuumed %s', t.n_dead_tup, t.n_live_tup,
    coalesce(date_trunc('second', greatest(t.last_vacuum, t.last_autovacuum))::text, 'never')) as finding,
  format('see that nothing holds old snapshots (the checks beside this one), then: vacuum (verbose, analyze) %I.%I;', t.schemaname, t.relname) as mend
from pg_catalog.pg_stat_user_tables t
where t.schemaname = 'pgflow' and t.n_dead_tup > 50000 + 2 * t.n_live_tup
  and coalesce(greatest(t.last_vacuum, t.last_autovacuum), pg_postmaster_start_time()) < pgflow.clock() - interval '10 minutes';

comment on view pgflow._doctor_dead_rows is 'Tables of PGFlow that are mostly dead rows, which autovacuum has left for ten minutes.';

create view pgflow._doctor_autovacuum as
select 'error' as severity, c.oid::regclass::text as subject, 'autovacuum is switched off for this table: its dead rows stay' as finding,
  format('alter table %s reset (autovacuum_enabled);', c.oid::regclass) as mend
from pg_catalog.pg_class c cross join lateral pg_options_to_table(c.reloptions) o
where c.relnamespace = 'pgflow'::regnamespace and c.relkind = 'r' and o.option_name = 'autovacuum_enabled' and not o.option_value::boolean;

comment on view pgflow._doctor_autovacuum is 'Tables of PGFlow that autovacuum was told to leave alone.';

create view pgflow._doctor_wraparound as
select 'error' as severity, c.oid::regclass::text as subject,
  format('its oldest row is %s transactions old; autovacuum should have frozen it at %s, and at 2 billion PostgreSQL stops writing',
    age(c.relfrozenxid), current_setting('autovacuum_freeze_max_age')) as finding,
  format('see that nothing holds old snapshots (the checks beside this one), then: vacuum (freeze) %s;', c.oid::regclass) as mend
from pg_catalog.pg_class c
where c.relnamespace = 'pgflow'::regnamespace and c.relkind = 'r'
  and age(c.relfrozenxid) > 1.5 * current_setting('autovacuum_freeze_max_age')::bigint;

comment on view pgflow._doctor_wraparound is 'Tables of PGFlow whose rows autovacuum does not freeze in time.';

create view pgflow._doctor_invalid_indexes as
select 'error' as severity, i.indexrelid::regclass::text as subject,
  format('index of %s is not valid: statements do without it, and what it should keep unique may not be', i.indrelid::regclass) as finding,
  format('reindex index concurrently %s;', i.indexrelid::regclass) as mend
from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indrelid
where c.relnamespace = 'pgflow'::regnamespace and not (i.indisvalid and i.indisready);

comment on view pgflow._doctor_invalid_indexes is 'Indexes of PGFlow that a broken or interrupted build left unusable.';

create view pgflow._doctor_rights as
select 'unknown' as severity, current_user::text as subject,
  format('user %s does not see what sessions of other users do: long_transactions misses them', current_user) as finding,
  format('grant pg_read_all_stats to %I;', current_user) as mend
where not pg_has_role(current_user, 'pg_read_all_stats', 'usage');

comment on view pgflow._doctor_rights is 'What the owner of the schema, as whom the doctor looks, may not see.';

-- The oldest entries of each queue and of the delayed ones: a sample, so that looking stays cheap.
create view pgflow._waiting_tasks as
with delays as (
  select t.run_ids, t.step_ids, t.task_indexes
  from pgflow.timers t
  where t.kind = 'delay'
  order by t.due_at, t.seq
  limit 200
),

hints as (
  select u.run_id, u.step_id, u.task_index
  from delays d, unnest(d.run_ids, d.step_ids, d.task_indexes) u (run_id, step_id, task_index)
  union
  select e.run_id, e.step_id, e.task_index
  from pgflow.queues q
    cross join lateral (
      select x.run_id, x.step_id, x.task_index
      from pgflow.ready_tasks x
      where x.queue_id = q.queue_id and x.xid >= q.low_xid
      order by x.xid, x.seq
      limit 500) e
)

select s.flow_slug, s.executor, s.handler, t.step_slug, t.attempt, t.launch_failures, t.visible_at, t.queued_at, t.error
from hints h
  join pgflow.steps s on s.step_id = h.step_id
  join pgflow._tasks t on t.run_id = h.run_id and t.step_slug = s.step_slug and t.ready_index = h.task_index
where t.status = 'queued';

comment on view pgflow._waiting_tasks is 'The queued tasks that come next, and those delayed for the shortest time: what the doctor looks at.';

create view pgflow._doctor_overdue_timers as
-- Bounded: each timer names hundreds of tasks.
with overdue as (
  select t.due_at, t.executor, t.run_ids, t.step_ids, t.task_indexes
  from pgflow.timers t
  where t.due_at < pgflow.clock() - interval '1 minute'
  order by t.due_at
  limit 1000
)

-- A timer stays until it is due, whether its tasks have ended or not: an idle installation leaves some behind.
select 'error' as severity, format('executor %s', t.executor) as subject,
  format('%s timers are overdue, the first since %s: lost tasks are not run again, delayed ones not started', count(*),
    date_trunc('second', min(t.due_at))) as finding,
  'start `pgflow dispatch`, or let pg_cron call it every minute: select pgflow.maintain();' as mend
from overdue t
where not exists (
  select from pgflow.sweep_marks m
  where m.lease_grace_until > pgflow.clock())
  and exists (select from pgflow._live_tasks(t.run_ids, t.step_ids, t.task_indexes))
group by t.executor;

comment on view pgflow._doctor_overdue_timers is
  'Leases and delays of living tasks that ended a minute ago and nobody followed: no dispatcher runs.';

create view pgflow._doctor_unclaimed_tasks as
with waiting as (
  select t.executor, min(coalesce(t.visible_at, t.queued_at)) as since
  from pgflow._waiting_tasks t
  group by t.executor
),

served as (
  select distinct t.executor
  from pgflow.timers t
  where t.kind = 'lease' and t.due_at > pgflow.clock()
)

select case when s.executor is null then 'error' else 'note' end as severity, format('executor %s', w.executor) as subject,
  case when s.executor is null then format('tasks wait since %s and nobody claims any', date_trunc('second', w.since))
    else format('tasks wait since %s: there is more work than it can do', date_trunc('second', w.since)) end as finding,
  case when s.executor is null then
      format('start `pgflow dispatch` with an executor named "%s" in its pgflow.toml, or see in its log why it claims none', w.executor)
    else 'start more dispatchers, or give this executor a higher concurrency' end as mend
from waiting w
  join pgflow.executors e on e.executor = w.executor
  left join served s on s.executor = w.executor
where e.paused_at is null and w.since < pgflow.clock() - interval '5 minutes';

comment on view pgflow._doctor_unclaimed_tasks is 'Executors whose ready tasks have waited for five minutes.';

create function pgflow._clear_over(tasks jsonb) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- skip locked: a launch that somebody looks at is cleared by the next heartbeat, and this one waits for nobody.
  with alive as (
    select l.ctid as place
    from jsonb_to_recordset(_clear_over.tasks) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid)
      -- offset 0: a row is found by its whole key, whatever the statistics.
      cross join lateral (
        select x.attempt, x.is_live, x.token_hash from pgflow._tasks x
        where x.run_id = r.run_id and x.step_slug = r.step_slug and x.task_index = r.task_index offset 0) t
      join pgflow.launches l
        on l.run_id = r.run_id and l.step_slug = r.step_slug and l.task_index = r.task_index and l.attempt = t.attempt
    where l.over_since is not null and t.is_live and t.token_hash = pgflow._token_hash(r.attempt_token)
    for no key update of l skip locked
  )
  update pgflow.launches l set over_since = null
  from alive a where l.ctid = a.place;
end
$$;

comment on function pgflow._clear_over(jsonb) is 'Believe these attempts that they are alive, whatever was seen of them, if they are current.';

create view pgflow._doctor_missing_handlers as
select 'error' as severity, coalesce(t.handler, t.step_slug) as subject,
  format('handed back again and again: no worker of executor %s has this handler (flow %s, %s tasks, last said: %s)', t.executor, t.flow_slug,
    count(*), left(max(t.error ->> 'message'), 200)) as finding,
  'give the workers the code that has it, or cancel the runs that need it' as mend
from pgflow._waiting_tasks t
where t.error ->> 'code' = 'HANDLER_MISSING' and t.attempt > 1
group by t.handler, t.step_slug, t.executor, t.flow_slug;

comment on view pgflow._doctor_missing_handlers is 'Handlers that workers do not have: their tasks are handed back and claimed in turn.';

create view pgflow._doctor_launch_failures as
select 'error' as severity, format('executor %s', t.executor) as subject,
  format('%s waiting tasks could not be started, up to %s times of 5 (last said: %s)', count(*), max(t.launch_failures),
    left(max(t.error ->> 'message'), 200)) as finding,
  'see the log of the dispatcher and of the executor''s service; pause the executor until it is mended, so that no task runs out of tries' as mend
from pgflow._waiting_tasks t
where t.launch_failures > 0
group by t.executor;

comment on view pgflow._doctor_launch_failures is 'Executors whose launches fail; after five failures a task fails for good.';

create view pgflow._doctor_paused_executors as
select 'note' as severity, format('executor %s', e.executor) as subject,
  format('paused since %s: %s', date_trunc('second', e.paused_at), coalesce(e.pause_reason, 'no reason was given')) as finding,
  format('select pgflow.resume_executor(%L);', e.executor) as mend
from pgflow.executors e
where e.paused_at is not null and e.probe_at is null;

comment on view pgflow._doctor_paused_executors is 'Executors that an operator paused.';

create view pgflow._doctor_paused_runs as
select 'note' as severity, format('flow %s', r.flow_slug) as subject,
  format('%s runs are paused, the first since %s: %s', count(*), date_trunc('second', min(p.paused_at)),
    left(string_agg(p.run_id::text, ', ' order by p.paused_at, p.run_id), 200)) as finding,
  'resume each (select pgflow.resume_run(run_id);), or cancel those nobody wants' as mend
from pgflow.paused_runs p
  join pgflow.runs r on r.run_id = p.run_id
group by r.flow_slug;

comment on view pgflow._doctor_paused_runs is 'Runs that an operator paused.';

create view pgflow._doctor_refused_executors as
select 'error' as severity, format('executor %s', e.executor) as subject,
  format('paused by itself since %s: its launches are refused: %s; the next is tried after %s', date_trunc('second', e.paused_at),
    coalesce(e.pause_reason, 'no reason was given'), date_trunc('second', e.probe_at)) as finding,
  format('mend what is said, such as credentials or permissions; it goes on by itself then, at once by: select pgflow.resume_executor(%L);',
    e.executor) as mend
from pgflow.executors e
where e.probe_at is not null;

comment on view pgflow._doctor_refused_executors is 'An executor is paused because its launches are refused until an operator acts.';

create view pgflow.doctor_checks with (security_invoker) as
select substr(c.relname, length('_doctor_') + 1) as check_name, obj_description(c.oid, 'pg_class') as description
from pg_catalog.pg_class c
where c.relnamespace = 'pgflow'::regnamespace and c.relkind = 'v' and c.relname like '\_doctor\_%';

comment on view pgflow.doctor_checks is 'What doctor() looks for: a check is a view _doctor_<name> of severity, subject, finding and mend.';
comment on column pgflow.doctor_checks.check_name is 'Name of the check, as in what doctor() returns.';
comment on column pgflow.doctor_checks.description is 'What is wrong where it finds something.';

-- Security definer: the checks read tables of the engine and statistics that the caller need not be granted one by one.
create function pgflow.doctor(only_check text default null)
  returns table (check_name text, severity text, subject text, finding text, mend text)
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set lock_timeout to '1s'
set jit to off
as $$
declare
  v_checks text[] := array(
    select c.check_name from pgflow.doctor_checks c where c.check_name = coalesce(doctor.only_check, c.check_name) order by c.check_name);
  v_check text;
begin
  if v_checks = '{}' then
    raise exception 'there is no check "%"', doctor.only_check using errcode = 'PF008', hint = 'select * from pgflow.doctor_checks;';
  end if;
  foreach v_check in array v_checks loop
    begin
      return query execute format('select %L, d.severity, d.subject, d.finding, d.mend from pgflow.%I d order by d.subject, d.finding',
        v_check, '_doctor_' || v_check);
    exception when others then
      return query select v_check, 'unknown', current_database()::text, format('could not look: %s', sqlerrm),
        format('mend what is said, then: select * from pgflow.doctor(%L);', v_check);
    end;
  end loop;
end
$$;

comment on function pgflow.doctor(text) is
  'What is wrong around the engine, one row a finding with its mend; error, warning, note, or unknown where it could not look. PF008 no such check.';

create function pgflow.missing_indexes(expected text[]) returns setof text
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select e.name from unnest(missing_indexes.expected) e (name)
  except
  select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid where c.relnamespace = 'pgflow'::regnamespace
$$;

comment on function pgflow.missing_indexes(text[]) is 'Which of the indexes that a release ships with are not there.';

-- Who may select at all is granted (grant_roles); here: which rows. The owner of the tables, so every verb, is not subject to it.
-- Policies ask readable_owner() in a subquery: once a query. `(select true ..)`, not `exists`: one probe of the index a row, where the
-- planner would rather read every run once.
create policy own_runs on pgflow.runs for select
  using ((select pgflow.readable_owner()) is null or owner = (select pgflow.readable_owner()));

create policy of_own_runs on pgflow.run_steps for select
  using ((select pgflow.readable_owner()) is null or (
      select true from pgflow.runs r
      where r.run_id = run_steps.run_id));
create policy of_own_runs on pgflow.map_tasks for select
  using ((select pgflow.readable_owner()) is null or (
      select true from pgflow.runs r
      where r.run_id = map_tasks.run_id));
create policy of_own_runs on pgflow.step_task_attempts for select
  using ((select pgflow.readable_owner()) is null or (
      select true from pgflow.runs r
      where r.run_id = step_task_attempts.run_id));
create policy of_own_runs on pgflow.superseded_attempts for select
  using ((select pgflow.readable_owner()) is null or (
      select true from pgflow.runs r
      where r.run_id = superseded_attempts.run_id));
create policy of_own_runs on pgflow.completed_task_logs for select
  using ((select pgflow.readable_owner()) is null or (
      select true from pgflow.runs r
      where r.run_id = completed_task_logs.run_id));
create policy of_own_runs on pgflow.live_logs for select
  using ((select pgflow.readable_owner()) is null or (
      select true from pgflow.runs r
      where r.run_id = live_logs.run_id));

create policy every_row on pgflow.flows for select using (true);
create policy every_row on pgflow.steps for select using (true);
create policy every_row on pgflow.deps for select using (true);
create policy every_row on pgflow.migrations for select using (true);

-- The inner workings: for those who read everything.
create policy all_or_nothing on pgflow.executors for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.queues for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.ready_tasks for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.parked_tasks for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.paused_runs for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.map_counters for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.timers for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.launches for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.settings for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.worker_keys for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.open_flows for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.sweep_marks for select using ((select pgflow.readable_owner()) is null);

do $$
declare
  v_table regclass;
  v_policy record;
begin
  for v_table in select c.oid from pg_catalog.pg_class c where c.relnamespace = 'pgflow'::regnamespace and c.relkind = 'r' loop
    execute format('alter table %s enable row level security', v_table);
  end loop;
  for v_policy in
    select p.polname, p.polrelid::regclass as relation, m.meaning
    from pg_catalog.pg_policy p
      join pg_catalog.pg_class c on c.oid = p.polrelid
      join (values ('own_runs', 'Runs that the reader owns; all of them for who reads everything.'),
          ('of_own_runs', 'Rows of the runs that the reader sees.'),
          ('every_row', 'Nothing in it is anybody''s own.'),
          ('all_or_nothing', 'Of use only to who reads everything.')) m (polname, meaning) on m.polname = p.polname
    where c.relnamespace = 'pgflow'::regnamespace loop
    execute format('comment on policy %I on %s is %L', v_policy.polname, v_policy.relation, v_policy.meaning);
  end loop;
end
$$;

create function pgflow._role_rights() returns table (role_name text, verbs text[], tables text[])
language sql immutable
set search_path to pg_catalog, pg_temp
as $$
  with lists as (
    select
      array['schema_version', 'clock', 'readable_owner', 'live_status'] as common,
      array['flows', 'steps', 'deps'] as definitions,
      array['runs', 'run_steps', 'map_tasks', 'step_task_attempts', 'superseded_attempts', 'completed_task_logs', 'live_logs', 'live_task_logs', 'step_states',
        'step_tasks', 'task_attempts', 'task_logs'] as state,
      array['executors', 'queues', 'ready_tasks', 'parked_tasks', 'paused_runs', 'map_counters', 'timers', 'launches', 'sweep_marks', 'settings',
        'migrations', 'doctor_checks', 'worker_keys', 'open_flows'] as inner_tables,
      array['define_flow', 'delete_flow', 'flow', 'step', 'open_flow', 'close_flow'] as deploying,
      array['start_flow', 'run_flow', 'run_flows', 'start_step', 'cancel_run', 'retry_run', 'pause_run', 'resume_run', 'get_run', 'get_progress', 'list_runs'] as running,
      array['start_flow', 'get_run', 'get_progress', 'list_runs', 'cancel_run', 'retry_run'] as using_own,
      array['start_step_task', 'heartbeat_step_tasks', 'complete_step_task', 'fail_step_task', 'release_step_tasks', 'report_step_tasks',
        'claim_with_key', 'next_wake_at'] as working,
      array['claim_step_tasks', 'exchange_step_tasks', 'record_launches', 'due_launches', 'observe_launches', 'lane_state', 'maintain', 'postpone_lease_expiry',
        'pause_executor', 'resume_executor', 'set_retention', 'prune_runs'] as dispatching,
      array['get_run', 'get_progress', 'list_runs', 'check_invariants', 'backlog', 'sweep_lag', 'queue_waits', 'doctor', 'missing_indexes'] as reading,
      array['create_worker_key', 'revoke_worker_key'] as keeping_keys
  )
  select r.role_name, r.verbs, r.tables
  from lists l,
    lateral (values
      ('pgflow_deployer', l.common || l.deploying, l.definitions),
      ('pgflow_dispatcher', l.common || l.dispatching || l.working || l.reading, l.definitions || l.state || l.inner_tables),
      ('pgflow_worker', l.common || l.working, '{}'),
      ('pgflow_client', l.common || l.running, l.definitions || l.state),
      ('pgflow_user', l.common || l.using_own, array['runs']),
      ('pgflow_viewer', l.common || l.reading, l.definitions || l.state || l.inner_tables),
      ('pgflow_owner', l.common || l.deploying || l.running || l.working || l.dispatching || l.reading || l.keeping_keys,
        l.definitions || l.state || l.inner_tables)) r (role_name, verbs, tables)
$$;

comment on function pgflow._role_rights() is 'What each role may call and read: the one list of rights, applied by grant_roles.';

create function pgflow._create_role(name text) returns boolean
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if not exists (select from pg_roles r where r.rolname = _create_role.name) then
    execute format('create role %I nologin', _create_role.name);
  end if;
  return true;
exception
  -- Roles are of the whole cluster: another of its databases was migrated at this moment.
  when duplicate_object or unique_violation then
    return true;
  when insufficient_privilege then
    raise notice 'role % does not exist and "%" may not create it', _create_role.name, current_user
      using hint = format('Have it made (create role %I nologin), then call pgflow.grant_roles().', _create_role.name);
    return false;
end
$$;

comment on function pgflow._create_role(text) is 'Make a role unless it exists; false, with a notice, if the caller may not.';

create function pgflow.grant_roles() returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_right record;
  v_statement text;
begin
  -- PostgreSQL grants execute on a new function to everybody.
  revoke all on schema pgflow, pgflow_locks from public;
  revoke all on all tables in schema pgflow from public;
  revoke all on all functions in schema pgflow, pgflow_locks from public;
  for v_right in select * from pgflow._role_rights() loop
    continue when not pgflow._create_role(v_right.role_name);
    execute format('revoke all on all tables in schema pgflow from %I', v_right.role_name);
    execute format('revoke all on all functions in schema pgflow from %I', v_right.role_name);
    execute format('grant usage on schema pgflow to %I', v_right.role_name);
    for v_statement in
      select format('grant execute on function %s to %I', p.oid::regprocedure, v_right.role_name)
      from pg_proc p
      where p.pronamespace = 'pgflow'::regnamespace and p.proname = any (v_right.verbs)
      union all
      -- Where there is a token_hash by column: it is for nobody.
      select format('grant select %s on pgflow.%I to %I',
        case when bool_or(a.attname = 'token_hash') then
          format('(%s)', string_agg(quote_ident(a.attname), ', ' order by a.attnum) filter (where a.attname <> 'token_hash')) end,
        c.relname, v_right.role_name)
      from pg_class c join pg_attribute a on a.attrelid = c.oid
      where c.relnamespace = 'pgflow'::regnamespace and c.relname = any (v_right.tables) and a.attnum > 0 and not a.attisdropped
      group by c.oid, c.relname
      order by 1
    loop
      execute v_statement;
    end loop;
  end loop;
end
$$;

comment on function pgflow.grant_roles() is
  'Make the roles of PGFlow where they are missing, and give each its rights in this database, no more. For the owner of the schema; migrations end with it.';

create view pgflow._doctor_roles as
select 'note' as severity, r.role_name as subject, 'the role does not exist: nobody can be given just these rights' as finding,
  format('create role %I nologin; select pgflow.grant_roles();', r.role_name) as mend
from pgflow._role_rights() r
where not exists (
  select from pg_catalog.pg_roles g
  where g.rolname = r.role_name)
union all
select 'warning', r.role_name, format('it may not call %s', string_agg(distinct p.proname, ', ' order by p.proname)), 'select pgflow.grant_roles();'
from pgflow._role_rights() r
  join pg_catalog.pg_roles g on g.rolname = r.role_name
  join pg_catalog.pg_proc p on p.pronamespace = 'pgflow'::regnamespace and p.proname = any(r.verbs)
where not has_function_privilege(g.oid, p.oid, 'execute')
group by r.role_name;

comment on view pgflow._doctor_roles is 'Roles of PGFlow that are missing, or lack rights that they should have.';

select pgflow.grant_roles();
