create function pgflow._accept_executor(executor text, claimed_at timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  update pgflow.executors e
  set paused_at = null, pause_reason = null, probe_at = null, refusals = 0
  where e.executor = _accept_executor.executor and e.probe_at is not null and _accept_executor.claimed_at > e.paused_at;
  if found then
    perform pg_notify('pgflow_ready', _accept_executor.executor);
  end if;
end
$$;

comment on function pgflow._accept_executor(text, timestamptz) is
  'Undo the pause of an executor that refused launches: one claimed since then was not refused.';
