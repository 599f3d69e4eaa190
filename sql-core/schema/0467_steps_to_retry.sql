create function pgflow._steps_to_retry(run_id uuid, from_step text, out step_slugs text[], out rerun_slugs text[])
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_stay text[];
begin
  -- From a step named: it and everything downstream, whole (reruns). Besides, what failed or was cancelled, and what was skipped
  -- because of it: a join downstream could not start without. A failure that was skipped stays where others went on without it.
  with recursive retried as (
    select t.step_id, t.step_slug, t.step_slug is not distinct from _steps_to_retry.from_step as reruns
    from pgflow.run_steps t
    where t.run_id = _steps_to_retry.run_id
      and (t.step_slug = _steps_to_retry.from_step or t.status in ('failed', 'cancelled')
        or _steps_to_retry.from_step is null and t.skip_reason = 'handler_failed'
          and not pgflow._has_completed_downstream(t.run_id, t.step_id))
    union
    select t.step_id, t.step_slug, r.reruns
    from retried r
      join pgflow.deps d on d.dep_id = r.step_id
      join pgflow.run_steps t on t.run_id = _steps_to_retry.run_id and t.step_slug = d.step_slug
    where r.reruns or t.status <> 'completed'
  )
  select array_agg(distinct r.step_slug), array_agg(distinct r.step_slug) filter (where r.reruns) into step_slugs, rerun_slugs
  from retried r;
  if _steps_to_retry.from_step is not null and rerun_slugs is null then
    raise exception 'no step "%" in run %', _steps_to_retry.from_step, _steps_to_retry.run_id
      using errcode = 'PF003', hint = 'The steps of a run: select * from pgflow.step_states, or pgflow status.';
  end if;
  -- What the cascade of a step that stays skipped has skipped stays skipped too.
  loop
    select array_agg(distinct t.step_slug) into v_stay
    from pgflow.run_steps t
      join pgflow.deps d on d.step_id = t.step_id
      join pgflow.run_steps p on p.run_id = t.run_id and p.step_slug = d.dep_slug
      join pgflow.steps s on s.step_id = p.step_id
    where t.run_id = _steps_to_retry.run_id and t.step_slug = any (step_slugs) and p.step_slug <> all (step_slugs)
      and (p.skip_reason = 'dependency_skipped' or p.skip_reason = 'condition_unmet' and s.when_unmet = 'skip_cascade'
        or p.skip_reason = 'handler_failed' and s.when_exhausted = 'skip_cascade');
    exit when v_stay is null;
    step_slugs := array(select u.slug from unnest(step_slugs) u (slug) where u.slug <> all (v_stay));
  end loop;
  if _steps_to_retry.from_step <> all (step_slugs) then
    raise exception 'step "%" was skipped because a dependency was', _steps_to_retry.from_step
      using errcode = 'PF005', hint = 'Retry from the dependency that was skipped first.';
  end if;
end
$$;

comment on function pgflow._steps_to_retry(uuid, text) is
  'What retry_run reopens; rerun_slugs are those of which no result is kept.';
