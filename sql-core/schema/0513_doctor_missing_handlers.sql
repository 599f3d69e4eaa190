create view pgflow._doctor_missing_handlers as
select 'error' as severity, coalesce(t.handler, t.step_slug) as subject,
  format('handed back again and again: no worker of executor %s has this handler (flow %s, %s tasks, last said: %s)', t.executor, t.flow_slug,
    count(*), left(max(t.error ->> 'message'), 200)) as finding,
  'give the workers the code that has it, or cancel the runs that need it' as mend
from pgflow._waiting_tasks t
where t.error ->> 'code' = 'HANDLER_MISSING' and t.attempt > 1
group by t.handler, t.step_slug, t.executor, t.flow_slug;

comment on view pgflow._doctor_missing_handlers is 'Handlers that workers do not have: their tasks are handed back and claimed in turn.';
