create function pgflow.pause_run(run_id uuid) returns text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  perform pgflow._check_run(pause_run.run_id);
  perform pgflow_locks.lock_runs(array[pause_run.run_id]);
  if pgflow._run_status(pause_run.run_id) <> 'running' then
    return 'already_ended';
  end if;
  insert into pgflow.paused_runs (run_id, paused_at) values (pause_run.run_id, pgflow.clock())
  on conflict on constraint paused_runs_pkey do nothing;
  if not found then
    return 'already_paused';
  end if;
  perform pgflow._park_paused(array[pause_run.run_id], false);
  return 'paused';
end
$$;

comment on function pgflow.pause_run(uuid) is
  'Claim nothing new of a run; what runs may finish. paused, already_paused or already_ended; PF003 if there is no such run, PF006 if it is not yours.';
