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
