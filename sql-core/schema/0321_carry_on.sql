create function pgflow._carry_on(ended_runs uuid[], ended_steps int[], ended_cascades boolean[], failed_runs uuid[], now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  if _carry_on.ended_runs is not null then
    perform pgflow._advance(_carry_on.ended_runs, _carry_on.ended_steps, _carry_on.ended_cascades, _carry_on.now);
  end if;
  perform pgflow._close_run(f.run_id, 'failed',
    (select t.error from pgflow.run_steps t where t.run_id = f.run_id and t.status = 'failed' order by t.step_slug limit 1), _carry_on.now)
  from (select distinct u.run_id from unnest(_carry_on.failed_runs) u (run_id) order by 1) f;
end
$$;

comment on function pgflow._carry_on(uuid[], int[], boolean[], uuid[], timestamptz) is
  'What follows a start: advance from the steps that ended at once, close the runs in which one failed.';
