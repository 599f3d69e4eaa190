create table pgflow.executors (
  executor text not null,
  paused_at timestamptz,
  pause_reason text,
  constraint executors_pkey primary key (executor)
);

comment on table pgflow.executors is 'Executors that steps name, and whether claims for them are paused.';
comment on column pgflow.executors.executor is 'Name that steps give and dispatchers claim by.';
comment on column pgflow.executors.paused_at is 'Since when nothing is claimed for it; null: it is not paused.';
comment on column pgflow.executors.pause_reason is 'What whoever paused it said.';
