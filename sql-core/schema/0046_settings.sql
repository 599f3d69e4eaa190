create table pgflow.settings (
  only_row boolean not null default true,
  retention interval,
  constraint settings_pkey primary key (only_row),
  constraint settings_has_one_row check (only_row)
);

insert into pgflow.settings default values;

comment on table pgflow.settings is 'What an operator decides for the whole database.';
comment on column pgflow.settings.retention is 'How long ended runs are kept; null: for ever.';
comment on column pgflow.settings.only_row is 'Keeps the table at one row.';
