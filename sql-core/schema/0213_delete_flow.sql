create function pgflow.delete_flow(flow_slug text, force boolean default false) returns void
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_running uuid[];
  v_runs uuid[];
begin
  perform pgflow_locks.lock_definition(delete_flow.flow_slug);
  perform pgflow_locks.use_flow(delete_flow.flow_slug, true);
  select array_agg(r.run_id), array_agg(r.run_id) filter (where r.status = 'running') into v_runs, v_running
  from pgflow.runs r where r.flow_slug = delete_flow.flow_slug;
  if v_runs is not null and not delete_flow.force then
    raise exception 'flow "%" has % runs', delete_flow.flow_slug, cardinality(v_runs)
      using errcode = 'PF005', hint = 'Prune them first, or pass force => true to delete them too.';
  elsif cardinality(v_running) > 2000 then
    -- Each needs its lock, and the lock table is small.
    raise exception 'flow "%" has % running runs', delete_flow.flow_slug, cardinality(v_running)
      using errcode = 'PF005', hint = 'Cancel them first, in several transactions.';
  end if;
  perform pgflow_locks.lock_runs(v_running);
  -- As prune_runs, which passes over runs that are locked: the two would delete rows of the same runs in different orders.
  perform from pgflow.runs r where r.run_id = any (v_runs) order by r.run_id for update;
  perform pgflow._delete_runs(v_runs);
  delete from pgflow.flows f where f.flow_slug = delete_flow.flow_slug;
  if not found then
    raise exception 'no flow "%"', delete_flow.flow_slug using errcode = 'PF002';
  end if;
  delete from pgflow.open_flows o where o.flow_slug = delete_flow.flow_slug;
end
$$;

comment on function pgflow.delete_flow(text, boolean) is 'Delete all versions of a flow; its runs too if forced. PF002 if there is none, PF005 while runs exist.';
