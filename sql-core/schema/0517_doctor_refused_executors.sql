create view pgflow._doctor_refused_executors as
select 'error' as severity, format('executor %s', e.executor) as subject,
  format('paused by itself since %s: its launches are refused: %s; the next is tried after %s', date_trunc('second', e.paused_at),
    coalesce(e.pause_reason, 'no reason was given'), date_trunc('second', e.probe_at)) as finding,
  format('mend what is said, such as credentials or permissions; it goes on by itself then, at once by: select pgflow.resume_executor(%L);',
    e.executor) as mend
from pgflow.executors e
where e.probe_at is not null;

comment on view pgflow._doctor_refused_executors is 'An executor is paused because its launches are refused until an operator acts.';
