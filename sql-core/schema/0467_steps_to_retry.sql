create function pgflow._steps_to_retry(run_id uuid, from_step text) returns text[]
language plpgsql stable
set search_path to ''
as $$
declare
  v_slugs text[];
begin
  -- Downstream of what is retried: everything when a step was named, else only what was skipped.
  with recursive retried as (
    select t.step_id, t.step_slug
    from pgflow.run_steps t
    where t.run_id = _steps_to_retry.run_id
      and case when _steps_to_retry.from_step is null then t.status in ('failed', 'cancelled') or t.skip_reason = 'handler_failed'
        else t.step_slug = _steps_to_retry.from_step end
    union
    select t.step_id, t.step_slug
    from retried r
      join pgflow.deps d on d.dep_id = r.step_id
      join pgflow.run_steps t on t.run_id = _steps_to_retry.run_id and t.step_slug = d.step_slug
    where _steps_to_retry.from_step is not null or t.status <> 'completed'
  )
  select array_agg(r.step_slug) into v_slugs from retried r;
  if v_slugs is null then
    raise exception 'no step "%" in run %', _steps_to_retry.from_step, _steps_to_retry.run_id using errcode = 'PF003';
  end if;
  return v_slugs;
end
$$;

comment on function pgflow._steps_to_retry(uuid, text) is
  'What retry_run reopens: the step named and all downstream; else what failed or was cancelled, and what was skipped because of it.';
