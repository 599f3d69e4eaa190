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
