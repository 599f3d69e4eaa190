create function pgflow.prune_runs(older_than interval, "limit" int) returns int
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_seqscan to off
set jit to off
as $$
declare
  v_cutoff timestamptz;
  v_first_young uuid;
  v_runs uuid[];
begin
  perform pgflow._check_age('older_than', prune_runs.older_than);
  if coalesce(prune_runs."limit" < 0, true) then
    raise exception 'limit must be 0 or more, not %', coalesce(prune_runs."limit"::text, 'null') using errcode = 'PF008';
  end if;
  v_cutoff := pgflow.clock() - prune_runs.older_than;
  v_first_young := pgflow._run_id_at(v_cutoff + interval '10 seconds');
  -- Run ids are ordered by time: young runs are not read, nor, of those whose id is later than they are, the ones made since. The row
  -- lock is enough: of the verbs only retry_run changes an ended run, and it starts with this row.
  v_runs := array(
    select r.run_id from pgflow.runs r
    where r.run_id < v_first_young and r.status <> 'running' and r.finished_at < v_cutoff
    order by r.run_id
    limit prune_runs."limit"
    for update skip locked);
  v_runs := v_runs || array(
    select r.run_id from pgflow.runs r
    where r.id_is_ahead and r.created_at < v_cutoff and r.run_id >= v_first_young and r.status <> 'running' and r.finished_at < v_cutoff
    order by r.created_at
    limit prune_runs."limit" - cardinality(v_runs)
    for update skip locked);
  if cardinality(v_runs) > 0 then
    perform pgflow._delete_runs(v_runs);
  end if;
  return cardinality(v_runs);
end
$$;

comment on function pgflow.prune_runs(interval, int) is 'Delete up to so many ended runs that finished longer ago than the interval. Returns how many.';
