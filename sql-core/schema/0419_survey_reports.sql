create function pgflow._survey_reports(reports jsonb, out run_ids uuid[], out step_slugs text[], out task_indexes int[], out tokens uuid[],
  out completions int, out has_ends boolean, out has_invalid boolean, out has_repeats boolean, out has_logs boolean, out has_map_items boolean)
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  select array_agg(r.run_id), array_agg(r.step_slug), array_agg(r.task_index),
    array_agg(case when r.outcome = 'complete' then r.attempt_token end), count(*) filter (where r.outcome = 'complete'),
    coalesce(bool_or(r.outcome <> 'complete'), false),
    coalesce(bool_or(r.run_id is null or r.step_slug is null or r.task_index is null or r.attempt_token is null
      or r.outcome is null or r.outcome not in ('complete', 'fail', 'release') or r.retry_after_seconds not between 0 and 315360000), false),
    coalesce(bool_or(r.log_tail <> ''), false), coalesce(max(r.task_index) > 0, false)
    into run_ids, step_slugs, task_indexes, tokens, completions, has_ends, has_invalid, has_logs, has_map_items
  from jsonb_to_recordset(_survey_reports.reports) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid, outcome text,
    retryable boolean, retry_after_seconds double precision, log_tail text);
  -- Two verbs for one task in one batch must be taken in their order; repeats of a completion alone need no care.
  has_repeats := false;
  if has_ends then
    has_repeats := exists (
      select from unnest(run_ids, step_slugs, task_indexes) r (run_id, step_slug, task_index)
      where r.run_id is not null
      group by r.run_id, r.step_slug, r.task_index having count(*) > 1);
  end if;
end
$$;

comment on function pgflow._survey_reports(jsonb) is
  'What a batch of reports contains: whose each is (of what is no completion without the token), and which cases there are. Raises a data exception if one has a value of the wrong type.';
