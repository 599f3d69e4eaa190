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
