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
