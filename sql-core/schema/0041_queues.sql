-- A few rows: their page has room for the next versions whatever the fillfactor (measured at 100 and 20: all updates HOT).
create table pgflow.queues (
  queue_id int generated always as identity,
  low_xid bigint not null default 0,
  low_seq bigint not null default 0,
  executor text not null,
  priority int not null,
  constraint queues_pkey primary key (queue_id),
  constraint queues_of_an_executor foreign key (executor) references pgflow.executors,
  constraint queue_is_one_executor_and_priority unique (executor, priority)
);

comment on table pgflow.queues is 'One row an executor and priority.';
comment on column pgflow.queues.low_xid is 'With low_seq the low-water mark: no visible entry of ready_tasks lies below (low_xid, low_seq), and none can appear. Keeps a claim from walking dead entries that a held snapshot keeps vacuum from removing.';
comment on column pgflow.queues.low_seq is 'How far the entries of transaction low_xid are taken: those of a large map or batch all have one xid.';
comment on column pgflow.queues.queue_id is 'Names the queue in the engine''s own tables.';
comment on column pgflow.queues.executor is 'The executor.';
comment on column pgflow.queues.priority is '-100 to 100; higher is claimed first.';
