create function pgflow.prune_runs(older_than interval, "limit" int) returns int
language plpgsql volatile
set search_path to ''
as $$
declare
  v_runs uuid[];
begin
  if prune_runs.older_than is null or prune_runs."limit" is null or prune_runs."limit" < 0 then
    raise exception 'older_than and limit must be given' using errcode = 'PF008';
  end if;
  -- Run ids are ordered by time: the oldest are the first of the index.
  select array_agg(o.run_id) into v_runs
  from (
    select r.run_id from pgflow.runs r
    where r.status <> 'running' and r.finished_at < pgflow.clock() - prune_runs.older_than
    order by r.run_id
    limit prune_runs."limit"
    for update skip locked
  ) o
  where pgflow_locks.try_lock_run(o.run_id);
  if v_runs is null then
    return 0;
  end if;
  perform pgflow._delete_runs(v_runs);
  return cardinality(v_runs);
end
$$;

comment on function pgflow.prune_runs(interval, int) is 'Delete up to so many ended runs that finished longer ago than the interval. Returns how many.';
