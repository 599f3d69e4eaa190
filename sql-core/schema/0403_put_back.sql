create function pgflow._put_back(run_ids uuid[], step_ids int[], task_indexes int[], now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_found record;
begin
  for v_found in
    select t.visible_at > _put_back.now as is_early, array_agg(t.run_id order by t.ordinality) as run_ids,
      array_agg(t.step_id order by t.ordinality) as step_ids, array_agg(t.task_index order by t.ordinality) as indexes,
      array_agg(t.queue_id order by t.ordinality) as queue_ids, array_agg(t.visible_at order by t.ordinality) as due_ats
    from pgflow._live_tasks(_put_back.run_ids, _put_back.step_ids, _put_back.task_indexes) t
    where t.lease_expires_at is null
    group by 1
  loop
    if v_found.is_early then
      perform pgflow._set_timers('delay', v_found.run_ids, v_found.step_ids, v_found.indexes, v_found.due_ats);
    else
      perform pgflow._enqueue(v_found.run_ids, v_found.step_ids, v_found.indexes, v_found.queue_ids);
    end if;
  end loop;
end
$$;

comment on function pgflow._put_back(uuid[], int[], int[], timestamptz) is
  'Queue again those of these entries whose task could be claimed but was not: its row was locked, its run is paused, or its time has not come.';
