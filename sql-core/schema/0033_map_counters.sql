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
