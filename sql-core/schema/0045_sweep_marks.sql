create table pgflow.sweep_marks (
  only_row boolean not null default true,
  timer_low timestamptz not null default '-infinity',
  lease_grace_until timestamptz not null default '-infinity',
  full_sweep_at timestamptz not null default '-infinity',
  constraint sweep_marks_pkey primary key (only_row),
  constraint sweep_marks_has_one_row check (only_row)
);

insert into pgflow.sweep_marks default values;

comment on table pgflow.sweep_marks is 'Where the timer sweep stands.';
comment on column pgflow.sweep_marks.timer_low is 'Timers due before it were swept; those of transactions that committed later are caught by the next full sweep.';
comment on column pgflow.sweep_marks.full_sweep_at is 'When the timers below the mark were last looked at too.';
comment on column pgflow.sweep_marks.lease_grace_until is 'No lease is declared expired before: the dispatchers were cut off from the database.';
comment on column pgflow.sweep_marks.only_row is 'Keeps the table at one row.';
