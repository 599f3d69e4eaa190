create function pgflow._forget_live_logs(now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  delete from pgflow.live_logs d
  where d.ctid = any (array(
    select l.ctid from pgflow.live_logs l
    where l.reported_at < _forget_live_logs.now - interval '1 minute'
      and not exists (
        select from pgflow.live_task_logs v
        where v.run_id = l.run_id and v.step_slug = l.step_slug and v.task_index = l.task_index)
    limit 500
    for update skip locked));
end
$$;

comment on function pgflow._forget_live_logs(timestamptz) is 'Delete what attempts had written that are over since, at most 500.';
