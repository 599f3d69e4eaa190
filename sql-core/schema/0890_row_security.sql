-- Who may select at all is granted (grant_roles); here: which rows. The owner of the tables, so every verb, is not subject to it.
-- Policies ask readable_owner() in a subquery: once a query. `(select true ..)`, not `exists`: one probe of the index a row, where the
-- planner would rather read every run once.
create policy own_runs on pgflow.runs for select
  using ((select pgflow.readable_owner()) is null or owner = (select pgflow.readable_owner()));

create policy of_own_runs on pgflow.run_steps for select
  using ((select pgflow.readable_owner()) is null or (
      select true from pgflow.runs r
      where r.run_id = run_steps.run_id));
create policy of_own_runs on pgflow.map_tasks for select
  using ((select pgflow.readable_owner()) is null or (
      select true from pgflow.runs r
      where r.run_id = map_tasks.run_id));
create policy of_own_runs on pgflow.step_task_attempts for select
  using ((select pgflow.readable_owner()) is null or (
      select true from pgflow.runs r
      where r.run_id = step_task_attempts.run_id));
create policy of_own_runs on pgflow.superseded_attempts for select
  using ((select pgflow.readable_owner()) is null or (
      select true from pgflow.runs r
      where r.run_id = superseded_attempts.run_id));
create policy of_own_runs on pgflow.completed_task_logs for select
  using ((select pgflow.readable_owner()) is null or (
      select true from pgflow.runs r
      where r.run_id = completed_task_logs.run_id));
create policy of_own_runs on pgflow.live_logs for select
  using ((select pgflow.readable_owner()) is null or (
      select true from pgflow.runs r
      where r.run_id = live_logs.run_id));

create policy every_row on pgflow.flows for select using (true);
create policy every_row on pgflow.steps for select using (true);
create policy every_row on pgflow.deps for select using (true);
create policy every_row on pgflow.migrations for select using (true);

-- The inner workings: for those who read everything.
create policy all_or_nothing on pgflow.executors for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.queues for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.ready_tasks for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.parked_tasks for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.paused_runs for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.map_counters for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.timers for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.launches for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.settings for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.worker_keys for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.open_flows for select using ((select pgflow.readable_owner()) is null);
create policy all_or_nothing on pgflow.sweep_marks for select using ((select pgflow.readable_owner()) is null);

do $$
declare
  v_table regclass;
  v_policy record;
begin
  for v_table in select c.oid from pg_catalog.pg_class c where c.relnamespace = 'pgflow'::regnamespace and c.relkind = 'r' loop
    execute format('alter table %s enable row level security', v_table);
  end loop;
  for v_policy in
    select p.polname, p.polrelid::regclass as relation, m.meaning
    from pg_catalog.pg_policy p
      join pg_catalog.pg_class c on c.oid = p.polrelid
      join (values ('own_runs', 'Runs that the reader owns; all of them for who reads everything.'),
          ('of_own_runs', 'Rows of the runs that the reader sees.'),
          ('every_row', 'Nothing in it is anybody''s own.'),
          ('all_or_nothing', 'Of use only to who reads everything.')) m (polname, meaning) on m.polname = p.polname
    where c.relnamespace = 'pgflow'::regnamespace loop
    execute format('comment on policy %I on %s is %L', v_policy.polname, v_policy.relation, v_policy.meaning);
  end loop;
end
$$;
