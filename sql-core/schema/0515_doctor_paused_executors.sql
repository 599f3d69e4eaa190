create view pgflow._doctor_paused_executors as
select 'note' as severity, format('executor %s', e.executor) as subject,
  format('paused since %s: %s', date_trunc('second', e.paused_at), coalesce(e.pause_reason, 'no reason was given')) as finding,
  format('select pgflow.resume_executor(%L);', e.executor) as mend
from pgflow.executors e
where e.paused_at is not null and e.probe_at is null;

comment on view pgflow._doctor_paused_executors is 'Executors that an operator paused.';
