create function pgflow._apply_ends(reports jsonb, now timestamptz, out ordinals bigint[], out statuses text[])
language plpgsql volatile
set search_path to ''
as $$
declare
  v_report record;
  v_task pgflow._tasks;
begin
  for v_report in
    select r.*
    from rows from (jsonb_to_recordset(_apply_ends.reports) as (run_id uuid, step_slug text, task_index int, attempt_token uuid,
        outcome text, error jsonb, retryable boolean, retry_after_seconds double precision, log_tail text))
      with ordinality r (run_id, step_slug, task_index, attempt_token, outcome, error, retryable, retry_after, log_tail, ordinality)
    where r.outcome in ('fail', 'release')
    order by r.ordinality
  loop
    -- Read again each time: an earlier report of this batch may have closed the run.
    select t.* into v_task from pgflow._tasks t
    where t.run_id = v_report.run_id and t.step_slug = v_report.step_slug and t.task_index = v_report.task_index
      and t.is_live and t.token_hash = pgflow._token_hash(v_report.attempt_token);
    if found then
      ordinals := ordinals || v_report.ordinality;
      statuses := statuses || pgflow._end_attempt(v_task,
        case when v_report.outcome = 'release' then 'released' when v_report.error ->> 'code' = 'TIMEOUT' then 'timed_out' else 'failed' end,
        v_report.outcome, v_report.error, coalesce(v_report.retryable, true), v_report.retry_after, v_report.log_tail, _apply_ends.now);
    end if;
  end loop;
end
$$;

comment on function pgflow._apply_ends(jsonb, timestamptz) is 'Apply the failures and releases of a batch whose token is current, in order.';
