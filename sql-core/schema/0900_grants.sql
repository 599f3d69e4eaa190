-- Nothing is for everybody: PostgreSQL grants execute to public by default.
revoke all on schema pgflow, pgflow_locks from public;
revoke all on all tables in schema pgflow from public;
revoke all on all functions in schema pgflow, pgflow_locks from public;
