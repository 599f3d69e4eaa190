create table pgflow.open_flows (
  flow_slug text not null,
  role_name text not null,
  constraint open_flows_pkey primary key (flow_slug, role_name)
);

comment on table pgflow.open_flows is 'Which flows the users of an application may start. May be written before the flow is deployed.';
comment on column pgflow.open_flows.flow_slug is 'The flow.';
comment on column pgflow.open_flows.role_name is 'A database role: whoever has its rights may start the flow.';
