create view pgflow.step_states as
select t.run_id, t.step_slug, t.status,
  case when s.step_type = 'single' then 1 else t.task_count end as task_count,
  case when s.step_type = 'map' and t.status = 'completed' and t.output is null then pgflow._map_output(t.run_id, t.step_slug)
    else t.output end as output,
  case when t.status in ('failed', 'skipped') then t.error end as error,
  t.skip_reason, t.started_at, t.finished_at
from pgflow.run_steps t
  join pgflow.steps s on s.step_id = t.step_id;

comment on view pgflow.step_states is 'One row a step of a run. The output of a map step is put together from its items when nobody needed it as a whole yet.';
