-- A composite type, because plpgsql does not let an argument and a column of `returns table` share a name, and both names are the contract.
create type pgflow.started_run as (run_id uuid, status text, flow_version int, created boolean);

comment on type pgflow.started_run is 'A row of run_flow.';
