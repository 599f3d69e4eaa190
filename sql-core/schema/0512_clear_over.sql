create function pgflow._clear_over(tasks jsonb) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- skip locked: a launch that somebody looks at is cleared by the next heartbeat, and this one waits for nobody.
  with alive as (
    select l.ctid as place
    from jsonb_to_recordset(_clear_over.tasks) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid)
      -- offset 0: a row is found by its whole key, whatever the statistics.
      cross join lateral (
        select x.attempt, x.is_live, x.token_hash from pgflow._tasks x
        where x.run_id = r.run_id and x.step_slug = r.step_slug and x.task_index = r.task_index offset 0) t
      join pgflow.launches l
        on l.run_id = r.run_id and l.step_slug = r.step_slug and l.task_index = r.task_index and l.attempt = t.attempt
    where l.over_since is not null and t.is_live and t.token_hash = pgflow._token_hash(r.attempt_token)
    for no key update of l skip locked
  )
  update pgflow.launches l set over_since = null
  from alive a where l.ctid = a.place;
end
$$;

comment on function pgflow._clear_over(jsonb) is 'Believe these attempts that they are alive, whatever was seen of them, if they are current.';
