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
comment on column pgflow.steps.needs_array is 'A map step whose outputs somebody needs as one array when it completes.';
