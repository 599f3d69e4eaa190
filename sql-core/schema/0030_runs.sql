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
