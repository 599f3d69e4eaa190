create function pgflow._apply_ends(reports jsonb, now timestamptz, out ordinals bigint[], out statuses text[])
language plpgsql volatile
set search_path to pg_catalog, pg_temp
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
    -- Under the row's lock: a claim, which takes no run lock, may be giving a lost task its next attempt.
    v_task := pgflow._lock_task(v_report.run_id, v_report.step_slug, v_report.task_index);
    if v_task.is_live and v_task.token_hash = pgflow._token_hash(v_report.attempt_token) then
      ordinals := ordinals || v_report.ordinality;
      statuses := statuses || pgflow._end_attempt(v_task,
        case when v_report.outcome = 'release' then 'released' when v_report.error ->> 'code' = 'TIMEOUT' then 'timed_out' else 'failed' end,
        v_report.outcome, v_report.error, coalesce(v_report.retryable, true), v_report.retry_after, v_report.log_tail, _apply_ends.now);
    end if;
  end loop;
end
$$;

comment on function pgflow._apply_ends(jsonb, timestamptz) is 'Apply the failures and releases of a batch whose token is current, in order.';
