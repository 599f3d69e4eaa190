create table pgflow.deps (
  flow_slug text not null,
  flow_version int not null,
  dep_slug text not null,
  step_slug text not null,
  dep_id int not null,
  step_id int not null,
  is_input boolean not null,
  is_plain boolean not null,
  constraint deps_pkey primary key (dep_id, step_id),
  constraint deps_dep_is_a_step foreign key (dep_id) references pgflow.steps on delete cascade,
  constraint deps_step_is_a_step foreign key (step_id) references pgflow.steps on delete cascade,
  constraint dep_is_not_itself check (dep_id <> step_id)
);

create unique index deps_by_step on pgflow.deps (step_id, dep_id);

comment on table pgflow.deps is 'Edges: step_slug waits for dep_slug.';
comment on column pgflow.deps.is_input is 'False for the source of a map: its items are handed out one by one, never as a whole.';
comment on column pgflow.deps.is_plain is 'steps.is_plain of the step that waits.';
comment on column pgflow.deps.flow_slug is 'The flow.';
comment on column pgflow.deps.flow_version is 'The version of the flow.';
comment on column pgflow.deps.dep_slug is 'The step that ends first.';
comment on column pgflow.deps.step_slug is 'The step that waits for it.';
comment on column pgflow.deps.dep_id is 'step_id of dep_slug.';
comment on column pgflow.deps.step_id is 'step_id of step_slug.';
comment on index pgflow.deps_by_step is 'What a step waits for; the primary key answers what waits for a step.';
