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
