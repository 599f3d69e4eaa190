create function pgflow.pause_executor(executor text, reason text default null) returns text
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
begin
  if coalesce(pause_executor.executor, '') = '' then
    raise exception 'executor must be given' using errcode = 'PF008';
  end if;
  -- Of two operators at once the second is told of the first.
  insert into pgflow.executors (executor) values (pause_executor.executor) on conflict do nothing;
  perform from pgflow.executors e where e.executor = pause_executor.executor for no key update;
  if exists (select from pgflow.executors e where e.executor = pause_executor.executor and e.paused_at is not null and e.probe_at is null) then
    return 'already_paused';
  end if;
  perform pgflow._set_executor_paused(pause_executor.executor, pause_executor.reason, pgflow.clock());
  return 'paused';
end
$$;

comment on function pgflow.pause_executor(text, text) is 'Claim nothing for an executor until it is resumed. paused or already_paused.';
