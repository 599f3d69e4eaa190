create function pgflow._is_paused(run_id uuid) returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return exists (select from pgflow.paused_runs p where p.run_id = _is_paused.run_id);
end
$$;

comment on function pgflow._is_paused(uuid) is 'Whether a run is paused.';
