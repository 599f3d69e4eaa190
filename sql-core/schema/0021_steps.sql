create table pgflow.steps (
  step_id int generated always as identity,
  flow_slug text not null,
  flow_version int not null,
  step_slug text not null,
  step_index int not null,
  step_type text not null,
  map_over text,
  needs_run_input boolean not null,
  params jsonb,
  executor text not null,
  executor_options jsonb not null,
  handler text,
  max_attempts int not null,
  base_delay double precision not null,
  max_delay double precision not null,
  backoff text not null,
  jitter double precision not null,
  timeout double precision not null,
  start_delay double precision not null,
  launch_timeout double precision not null,
  heartbeat_timeout double precision,
  when_exhausted text not null,
  max_failures int not null,
  required_input jsonb,
  forbidden_input jsonb,
  when_unmet text not null,
  priority int not null,
  dep_count int not null,
  is_plain boolean not null,
  is_output boolean not null,
  needs_array boolean not null,
  input_fits boolean not null,
  output_fits boolean not null,
  is_last boolean not null,
  is_counted boolean not null,
  constraint steps_pkey primary key (step_id),
  constraint steps_slug_is_unique unique (flow_slug, flow_version, step_slug),
  constraint steps_belong_to_a_flow foreign key (flow_slug, flow_version) references pgflow.flows on delete cascade,
  constraint step_type_is_known check (step_type in ('single', 'map')),
  constraint map_over_is_for_maps check ((step_type = 'map') = (map_over is not null))
);

comment on table pgflow.steps is 'One row a step of a flow version, options filled in; times are seconds.';
comment on column pgflow.steps.is_plain is 'A single step without condition or delay whose input fits: it starts as soon as its dependencies ended.';
comment on column pgflow.steps.is_output is 'A leaf, or the step that the flow returns: its output is part of the run output.';
comment on column pgflow.steps.input_fits is 'Its inputs are so few that together they cannot be too large, whatever each is.';
comment on column pgflow.steps.output_fits is 'The output steps of its flow are so few that the run output cannot be too large.';
comment on column pgflow.steps.is_last is 'No step depends on it.';
comment on column pgflow.steps.is_counted is 'Its end is counted off its run: that of a last step, as all others end before; where a step may be skipped before all that it depends on ended (skip_cascade), that of every step.';
comment on column pgflow.steps.needs_array is 'A map step whose outputs somebody needs as one array when it completes.';
comment on column pgflow.steps.step_id is 'Names the step of this version in the engine''s own tables.';
comment on column pgflow.steps.flow_slug is 'The flow.';
comment on column pgflow.steps.flow_version is 'The version of the flow.';
comment on column pgflow.steps.step_slug is 'Name of the step, unique in its version.';
comment on column pgflow.steps.step_index is 'Place in the definition, from 0.';
comment on column pgflow.steps.step_type is 'single (one task) or map (one task an item).';
comment on column pgflow.steps.map_over is 'What a map step takes its items from: the slug of a dependency, or run for the flow input; null for single steps.';
comment on column pgflow.steps.needs_run_input is 'Whether each task is handed the whole flow input, under the key run.';
comment on column pgflow.steps.params is 'Which handler parameter takes which key of the input; null: the handler takes the whole object.';
comment on column pgflow.steps.executor is 'Who runs the tasks: the name under which dispatchers claim them.';
comment on column pgflow.steps.executor_options is 'What the executor is told of the step; its own form.';
comment on column pgflow.steps.handler is 'What to run, as its executor names it, mostly module:function.';
comment on column pgflow.steps.max_attempts is 'A task that failed, timed out or was lost so often is not tried again.';
comment on column pgflow.steps.base_delay is 'Delay before the second attempt.';
comment on column pgflow.steps.max_delay is 'Longest delay between attempts.';
comment on column pgflow.steps.backoff is 'exponential (each delay twice the one before) or fixed.';
comment on column pgflow.steps.jitter is 'Each delay is lengthened by a random share of up to this: 0.1 is ten percent.';
comment on column pgflow.steps.timeout is 'How long one attempt may take.';
comment on column pgflow.steps.start_delay is 'Delay of the first attempt after the step became ready.';
comment on column pgflow.steps.launch_timeout is 'How long a launched attempt has until its start_step_task.';
comment on column pgflow.steps.heartbeat_timeout is 'Longest silence of a started launched attempt; null: only the timeout counts.';
comment on column pgflow.steps.when_exhausted is 'What a task that failed for good does: fail (the run fails), skip (the step is skipped), skip_cascade (so are all that depend on it).';
comment on column pgflow.steps.max_failures is 'How many items of a map may fail for good before the step does.';
comment on column pgflow.steps.required_input is 'The step starts only if {run, dependency..} contains this; null: no condition.';
comment on column pgflow.steps.forbidden_input is 'The step starts only if {run, dependency..} does not contain this; null: no condition.';
comment on column pgflow.steps.when_unmet is 'What an unmet condition does: skip, skip_cascade or fail.';
comment on column pgflow.steps.priority is '-100 to 100; higher is claimed first. That of a run, if given, wins.';
comment on column pgflow.steps.dep_count is 'How many steps it depends on.';
