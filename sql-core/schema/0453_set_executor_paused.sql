create function pgflow._set_executor_paused(executor text, reason text, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.executors as e (executor, paused_at, pause_reason)
  values (_set_executor_paused.executor, _set_executor_paused.now, left(_set_executor_paused.reason, pgflow._limit('reason')::int))
  on conflict on constraint executors_pkey do update
  set paused_at = coalesce(e.paused_at, excluded.paused_at), pause_reason = excluded.pause_reason, probe_at = null;
end
$$;

comment on function pgflow._set_executor_paused(text, text, timestamptz) is 'Pause claims for an executor, with the reason, until an operator resumes it.';
