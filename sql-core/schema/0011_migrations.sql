create table pgflow.migrations (
  version int constraint migrations_pkey primary key,
  name text not null,
  checksum text not null,
  applied_at timestamptz not null default clock_timestamp(),
  constraint version_counts_from_one check (version >= 1)
);

comment on table pgflow.migrations is 'The migrations this database has; the last one is the version of its schema.';
comment on column pgflow.migrations.checksum is 'SHA-256 of the text that was applied, in hexadecimal.';
comment on column pgflow.migrations.version is '1, 2, 3...';
comment on column pgflow.migrations.name is 'What the migration is called.';
comment on column pgflow.migrations.applied_at is 'When it was applied here.';
