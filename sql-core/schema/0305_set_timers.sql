create function pgflow._set_timers(kind text, run_ids uuid[], step_ids int[], task_indexes int[], due_ats timestamptz[]) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.timers (due_at, kind, executor, run_ids, step_ids, task_indexes)
  select t.due_at, _set_timers.kind, s.executor, array_agg(t.run_id), array_agg(t.step_id), array_agg(t.task_index)
  from unnest(_set_timers.run_ids, _set_timers.step_ids, _set_timers.task_indexes, _set_timers.due_ats)
      with ordinality t (run_id, step_id, task_index, due_at, ordinality)
    cross join lateral (select x.executor from pgflow.steps x where x.step_id = t.step_id offset 0) s
  group by t.due_at, s.executor, t.ordinality / 500;
end
$$;

comment on function pgflow._set_timers(text, uuid[], int[], int[], timestamptz[]) is
  'Have tasks looked at when their time comes: kind delay for what their visible_at says, lease for their lease or deadline.';
