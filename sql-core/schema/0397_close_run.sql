create function pgflow._close_run(run_id uuid, status text, error jsonb, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Needs the exclusive run lock.
  perform pgflow._cancel_tasks(_close_run.run_id, null, _close_run.now);
  update pgflow.run_steps s
  set status = 'cancelled', finished_at = _close_run.now
  where s.run_id = _close_run.run_id and s.status in ('pending', 'running');
  update pgflow.runs r
  set status = _close_run.status, error = _close_run.error, finished_at = _close_run.now
  where r.run_id = _close_run.run_id and r.status = 'running';
  delete from pgflow.paused_runs p where p.run_id = _close_run.run_id;
  delete from pgflow.parked_tasks p where p.run_id = _close_run.run_id;
  perform pgflow._notify_ended(array[_close_run.run_id]);
end
$$;

comment on function pgflow._close_run(uuid, text, jsonb, timestamptz) is
  'End a run as failed or cancelled: everything alive in it is cancelled. Its entries in ready_tasks are dropped by the next claim.';
