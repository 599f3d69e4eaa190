create table pgflow.queues (
  queue_id int generated always as identity,
  low_xid bigint not null default 0,
  executor text not null,
  priority int not null,
  constraint queues_pkey primary key (queue_id),
  constraint queues_of_an_executor foreign key (executor) references pgflow.executors,
  constraint queue_is_one_executor_and_priority unique (executor, priority)
) with (fillfactor = 20);

comment on table pgflow.queues is 'One row an executor and priority.';
comment on column pgflow.queues.low_xid is 'Low-water mark: no visible entry of ready_tasks lies below it, and none can appear. Keeps a claim from walking dead entries that a held snapshot keeps vacuum from removing.';
