create function pgflow.pause_run(run_id uuid) returns text
language plpgsql volatile
set search_path to ''
as $$
begin
  perform pgflow_locks.lock_runs(array[pause_run.run_id]);
  if pgflow._run_status(pause_run.run_id) <> 'running' then
    return 'already_ended';
  end if;
  update pgflow.runs r set paused_at = pgflow.clock() where r.run_id = pause_run.run_id and r.paused_at is null;
  if not found then
    return 'already_paused';
  end if;
  perform pgflow._park_paused(array[pause_run.run_id]);
  return 'paused';
end
$$;

comment on function pgflow.pause_run(uuid) is
  'Claim nothing new of a run; what runs may finish. paused, already_paused or already_ended; PF003 if there is no such run.';
