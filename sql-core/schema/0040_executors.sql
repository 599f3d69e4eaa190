create table pgflow.executors (
  executor text not null,
  paused_at timestamptz,
  pause_reason text,
  constraint executors_pkey primary key (executor)
);

comment on table pgflow.executors is 'Executors that steps name, and whether claims for them are paused.';
