create view pgflow._doctor_launch_failures as
select 'error' as severity, format('executor %s', t.executor) as subject,
  format('%s waiting tasks could not be started, up to %s times of 5 (last said: %s)', count(*), max(t.launch_failures),
    left(max(t.error ->> 'message'), 200)) as finding,
  'see the log of the dispatcher and of the executor''s service; pause the executor until it is mended, so that no task runs out of tries' as mend
from pgflow._waiting_tasks t
where t.launch_failures > 0
group by t.executor;

comment on view pgflow._doctor_launch_failures is 'Executors whose launches fail; after five failures a task fails for good.';
