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
