create function pgflow.due_launches(executor text, max_launches int default 500, interval_seconds double precision default 15,
  external_ids text[] default '{}')
  returns table (run_id uuid, step_slug text, task_index int, attempt int, external_id text, handle jsonb, action text)
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_generic_plan
set enable_hashjoin to off
set enable_mergejoin to off
set enable_bitmapscan to off
set enable_seqscan to off
set jit to off
as $$
declare
  v_now timestamptz := pgflow.clock();
  v_due record;
begin
  if due_launches.max_launches is null or due_launches.max_launches not between 1 and 10000 then
    raise exception 'max_launches must be between 1 and 10000' using errcode = 'PF008';
  end if;
  perform pgflow._check_delay('interval_seconds', due_launches.interval_seconds);
  for v_due in
    -- skip locked: another dispatcher looks at them, or their attempt is just ending.
    with named as (
      -- By a look at every open attempt, where names are given: an index by name costs each launch a fifth more WAL.
      select l.* from pgflow.launches l
      where cardinality(due_launches.external_ids) > 0 and l.external_id = any (due_launches.external_ids)
        and l.executor = due_launches.executor and l.look_at > v_now
      limit due_launches.max_launches
      for no key update skip locked),
    due as (
      select l.* from pgflow.launches l
      where l.executor = due_launches.executor and l.look_at <= v_now
      order by l.look_at
      limit due_launches.max_launches - (select count(*) from named)
      for no key update skip locked),
    taken as (select n.* from named n union all select d.* from due d)
    select l.*, coalesce(t.is_live and t.lease_expires_at is not null and t.attempt = l.attempt, false) as is_open,
      a.outcome in ('cancelled', 'timed_out', 'lost', 'launch_failed') as must_stop
    from taken l
      -- offset 0: a row is found by its whole key, whatever the statistics.
      left join lateral (
        select x.* from pgflow._tasks x
        where x.run_id = l.run_id and x.step_slug = l.step_slug and x.task_index = l.task_index offset 0) t on true
      left join pgflow.step_task_attempts a
        on a.run_id = l.run_id and a.step_slug = l.step_slug and a.task_index = l.task_index and a.attempt = l.attempt
    order by l.look_at
  loop
    if v_due.is_open or v_due.must_stop and v_due.cancels = 0 then
      -- A second cancel once the launch deadline has passed: the first may have overtaken the launch, or its sender may have died.
      update pgflow.launches l
      set cancels = case when v_due.is_open then 0 else 1 end,
        look_at = greatest(v_now + make_interval(secs => due_launches.interval_seconds),
          case when not v_due.is_open then v_due.launch_deadline end)
      where l.run_id = v_due.run_id and l.step_slug = v_due.step_slug and l.task_index = v_due.task_index and l.attempt = v_due.attempt;
    else
      delete from pgflow.launches l
      where l.run_id = v_due.run_id and l.step_slug = v_due.step_slug and l.task_index = v_due.task_index and l.attempt = v_due.attempt;
    end if;
    if v_due.is_open or v_due.must_stop then
      run_id := v_due.run_id;
      step_slug := v_due.step_slug;
      task_index := v_due.task_index;
      attempt := v_due.attempt;
      external_id := v_due.external_id;
      handle := v_due.handle;
      action := case when v_due.is_open then 'observe' else 'cancel' end;
      return next;
    end if;
  end loop;
end
$$;

comment on function pgflow.due_launches(text, int, double precision, text[]) is
  'Launched attempts of an executor that are due, or named by external_ids, each for one caller: observe what is open (again after interval_seconds), cancel what ended here but may go on there.';
