create function pgflow.prune_runs(older_than interval, "limit" int) returns int
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_runs uuid[];
begin
  if prune_runs.older_than is null or prune_runs."limit" is null or prune_runs."limit" < 0 then
    raise exception 'older_than and limit must be given' using errcode = 'PF008';
  end if;
  -- Run ids are ordered by time: the oldest are the first of the index. The row lock is enough: of the verbs only retry_run
  -- changes an ended run, and it starts with this row.
  v_runs := array(
    select r.run_id from pgflow.runs r
    where r.status <> 'running' and r.finished_at < pgflow.clock() - prune_runs.older_than
    order by r.run_id
    limit prune_runs."limit"
    for update skip locked);
  perform pgflow._delete_runs(v_runs);
  return cardinality(v_runs);
end
$$;

comment on function pgflow.prune_runs(interval, int) is 'Delete up to so many ended runs that finished longer ago than the interval. Returns how many.';
