create function pgflow._delay(run_ids uuid[], step_ids int[], task_indexes int[], due_ats timestamptz[]) returns void
language plpgsql volatile
set search_path to ''
as $$
begin
  insert into pgflow.timers (due_at, kind, run_ids, step_ids, task_indexes)
  select t.due_at, 'delay', array_agg(t.run_id), array_agg(t.step_id), array_agg(t.task_index)
  from unnest(_delay.run_ids, _delay.step_ids, _delay.task_indexes, _delay.due_ats) t (run_id, step_id, task_index, due_at)
  group by t.due_at;
end
$$;

comment on function pgflow._delay(uuid[], int[], int[], timestamptz[]) is 'Have tasks looked at when their time comes; their visible_at says the same.';
