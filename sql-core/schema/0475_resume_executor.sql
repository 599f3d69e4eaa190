create function pgflow.resume_executor(executor text) returns text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  update pgflow.executors e set paused_at = null, pause_reason = null, probe_at = null, refusals = 0
  where e.executor = resume_executor.executor and e.paused_at is not null;
  if not found then
    return 'not_paused';
  end if;
  perform pg_notify('pgflow_ready', resume_executor.executor);
  return 'resumed';
end
$$;

comment on function pgflow.resume_executor(text) is 'Undo pause_executor. resumed or not_paused.';
