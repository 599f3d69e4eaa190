create view pgflow._doctor_paused_runs as
select 'note' as severity, format('flow %s', r.flow_slug) as subject,
  format('%s runs are paused, the first since %s: %s', count(*), date_trunc('second', min(p.paused_at)),
    left(string_agg(p.run_id::text, ', ' order by p.paused_at, p.run_id), 200)) as finding,
  'resume each (select pgflow.resume_run(run_id);), or cancel those nobody wants' as mend
from pgflow.paused_runs p
  join pgflow.runs r on r.run_id = p.run_id
group by r.flow_slug;

comment on view pgflow._doctor_paused_runs is 'Runs that an operator paused.';
