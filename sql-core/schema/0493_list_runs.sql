-- Walks the primary key backwards, run ids being ordered by time, and stops at max_scanned rows: no filter has an index,
-- which every start of a run would pay for. enable_sort off leaves that walk as the only plan, but for users where an index
-- on (owner, run_id) was added: the plan is made for each call, so that it can see that they ask for one owner.
create function pgflow.list_runs(
  status text default null, flow_slug text default null, tags jsonb default null, owner text default null,
  since timestamptz default null, before uuid default null, "limit" int default 20, max_scanned int default 100000)
returns jsonb
language plpgsql stable security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
set enable_seqscan to off
set enable_sort to off
set jit to off
as $$
declare
  v_before constant uuid := coalesce(list_runs.before, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
  v_first constant uuid := pgflow._run_id_at(greatest(list_runs.since, 'epoch') - interval '1 day');
  v_readable constant text := pgflow.readable_owner();
  -- What a user learns does not depend on other people's runs: those are not even counted as looked at.
  v_user constant text := case when pgflow._is_user() then v_readable end;
  v_runs jsonb;
  v_next uuid;
begin
  perform pgflow._check_list(list_runs.status, list_runs.tags, list_runs."limit", list_runs.max_scanned);
  select coalesce(jsonb_agg(to_jsonb(r) order by r.run_id desc), '[]') into v_runs
  from (
    select s.run_id, s.flow_slug, s.flow_version, s.status, s.error, s.priority, s.idempotency_key, s.tags, s.owner, s.created_at, s.finished_at
    from (
      select * from pgflow.runs t
      where t.run_id < v_before and t.run_id >= v_first and (v_user is null or t.owner = v_user)
      order by t.run_id desc
      limit list_runs.max_scanned) s
    where (v_readable is null or s.owner = v_readable)
      and (list_runs.status is null or s.status = list_runs.status)
      and (list_runs.flow_slug is null or s.flow_slug = list_runs.flow_slug)
      and (list_runs.owner is null or s.owner = list_runs.owner)
      and (list_runs.tags is null or s.tags @> list_runs.tags)
      and (list_runs.since is null or s.created_at >= list_runs.since)
    order by s.run_id desc
    limit list_runs."limit") r;
  if jsonb_array_length(v_runs) >= list_runs."limit" then
    v_next := v_runs -> -1 ->> 'run_id';
  else
    v_next := (
      select t.run_id from pgflow.runs t
      where t.run_id < v_before and t.run_id >= v_first and (v_user is null or t.owner = v_user)
      order by t.run_id desc
      offset list_runs.max_scanned - 1
      limit 1);
  end if;
  return jsonb_build_object('runs', v_runs, 'next', v_next);
end
$$;

comment on function pgflow.list_runs(text, text, jsonb, text, timestamptz, uuid, int, int) is
  'The newest of the caller''s runs (or of all, for whoever may read all) that match what is given, by run id. Looks at no more than max_scanned runs (of a user: of his own): "next" is what to give as before to go on, null at the end.';
