create table pgflow.flows (
  flow_slug text not null,
  flow_version int not null,
  definition jsonb not null,
  definition_hash text not null,
  is_active boolean not null,
  counted_steps int not null,
  map_over_run text,
  created_at timestamptz not null,
  constraint flows_pkey primary key (flow_slug, flow_version),
  constraint flows_content_is_unique unique (flow_slug, definition_hash),
  constraint flow_version_is_positive check (flow_version > 0)
);

create unique index flows_one_active_version on pgflow.flows (flow_slug) where is_active;

comment on table pgflow.flows is 'One row a version of a flow. Versions never change; is_active names the one that new runs take.';
comment on column pgflow.flows.definition is 'The definition as given, normalised, without filled-in defaults.';
comment on column pgflow.flows.definition_hash is 'Hex SHA-256 of the normalised definition.';
comment on column pgflow.flows.flow_slug is 'Name of the flow.';
comment on column pgflow.flows.flow_version is '1, 2, 3... of this name.';
comment on column pgflow.flows.is_active is 'The version that new runs take unless they name another; one a name.';
comment on column pgflow.flows.counted_steps is 'How many of its steps are counted off a run (steps.is_counted).';
comment on column pgflow.flows.map_over_run is 'A step that maps over the flow input, which therefore has to be an array; null: none does.';
comment on column pgflow.flows.created_at is 'When this version was first defined.';
comment on index pgflow.flows_one_active_version is 'One active version a flow.';
