create function pgflow._refuse_executor(executor text, reason text, retry_after double precision, claimed_at timestamptz, now timestamptz)
  returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- A pause that an operator asked for stays as it is. Of launches that were under way when the first was refused, none counts again.
  update pgflow.executors e
  set paused_at = coalesce(e.paused_at, _refuse_executor.now),
    pause_reason = left(_refuse_executor.reason, pgflow._limit('reason')::int),
    refusals = e.refusals + 1,
    probe_at = pgflow._due_at(_refuse_executor.now, coalesce(_refuse_executor.retry_after, least(600, 30 * 2 ^ least(e.refusals, 10))))
  where e.executor = _refuse_executor.executor
    and (e.paused_at is null or e.probe_at is not null and _refuse_executor.claimed_at > e.paused_at);
end
$$;

comment on function pgflow._refuse_executor(text, text, double precision, timestamptz, timestamptz) is
  'Pause claims for an executor whose operator must act, until a probe goes through: one launch after 30 s, then after twice as long each time, 10 minutes at most.';
