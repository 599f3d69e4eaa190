create view pgflow.step_states with (security_invoker) as
select t.run_id, t.step_slug, t.status,
  case when s.step_type = 'single' then 1 else t.task_count end as task_count,
  case when s.step_type = 'map' and t.status = 'completed' and t.output is null then (
      -- As _map_output, which readers may not call.
      select coalesce(to_jsonb(array_agg(m.output order by m.task_index)), '[]') from pgflow.map_tasks m
      where m.run_id = t.run_id and m.step_slug = t.step_slug)
    else t.output end as output,
  case when t.status in ('failed', 'skipped') then t.error end as error,
  t.skip_reason, t.started_at, t.finished_at
from pgflow.run_steps t
  join pgflow.steps s on s.step_id = t.step_id;

comment on view pgflow.step_states is 'One row a step of a run. The output of a map step is put together from its items when nobody needed it as a whole yet.';
comment on column pgflow.step_states.run_id is 'The run.';
comment on column pgflow.step_states.step_slug is 'The step.';
comment on column pgflow.step_states.status is 'pending, running, completed, failed, skipped or cancelled.';
comment on column pgflow.step_states.task_count is '1 for a single step, the number of items for a map that started.';
comment on column pgflow.step_states.output is 'SQL NULL: none yet. JSON null: an output that is null. Of a map: the outputs of its items in their order, null for one that failed.';
comment on column pgflow.step_states.error is 'Why it failed, or was skipped after a failure.';
comment on column pgflow.step_states.skip_reason is 'condition_unmet, handler_failed or dependency_skipped; null unless skipped.';
comment on column pgflow.step_states.started_at is 'When it started; null for a step that never did.';
comment on column pgflow.step_states.finished_at is 'When it ended; null while it lives.';
