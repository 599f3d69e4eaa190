create function pgflow._end_attempt(task pgflow._tasks, outcome text, ended_by text, error jsonb, retryable boolean,
  retry_after double precision, log_tail text, now timestamptz) returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_step pgflow.steps;
  v_was_lost boolean := task.lease_expires_at is null;
  v_delay double precision := coalesce(greatest(_end_attempt.retry_after, 0), 0);
  v_error jsonb;
begin
  -- Needs the exclusive run lock, and a task that is alive.
  select s.* into v_step from pgflow.steps s where s.step_id = task.step_id;
  v_error := case when _end_attempt.outcome <> 'released' or nullif(_end_attempt.error, 'null') is not null then
    pgflow._make_error(_end_attempt.error, 'HANDLER_ERROR', 'the handler failed', task.step_slug, task.task_index, task.attempt) end;
  insert into pgflow.step_task_attempts as a (run_id, step_slug, task_index, attempt, outcome, ended_by, error, worker_id, external_id,
    started_at, ended_at, token_hash, log_tail)
  values (task.run_id, task.step_slug, task.task_index, task.attempt, _end_attempt.outcome, _end_attempt.ended_by, v_error, task.worker_id,
    task.external_id, task.task_started_at, _end_attempt.now, task.token_hash, pgflow._log_tail(_end_attempt.log_tail))
  on conflict on constraint step_task_attempts_pkey do update
  set outcome = 'late', ended_by = excluded.ended_by, error = excluded.error, log_tail = excluded.log_tail, ended_at = excluded.ended_at;

  if task.external_id is not null then
    update pgflow.launches l set look_at = _end_attempt.now
    where l.run_id = task.run_id and l.step_slug = task.step_slug and l.task_index = task.task_index and l.attempt = task.attempt;
  end if;

  if _end_attempt.outcome = 'released' then
    perform pgflow._set_queued(task, false, v_error, pgflow._due_at(_end_attempt.now, v_delay), _end_attempt.now);
    return 'released';
  elsif _end_attempt.outcome = 'launch_failed' then
    task.launch_failures := task.launch_failures + 1;
    if _end_attempt.retryable and task.launch_failures < 5 then
      v_delay := coalesce(_end_attempt.retry_after, pgflow._backoff(v_step, task.launch_failures));
      perform pgflow._set_queued(task, false, v_error, pgflow._due_at(_end_attempt.now, v_delay), _end_attempt.now);
      return 'retrying';
    end if;
  else
    task.failures := task.failures + case when v_was_lost then 0 else 1 end;
    if _end_attempt.retryable and task.failures < v_step.max_attempts then
      if _end_attempt.outcome <> 'lost' then
        v_delay := coalesce(_end_attempt.retry_after, pgflow._backoff(v_step, task.failures));
      end if;
      perform pgflow._set_queued(task, _end_attempt.outcome = 'lost', v_error,
        pgflow._due_at(_end_attempt.now, v_delay), _end_attempt.now);
      return 'retrying';
    end if;
  end if;
  perform pgflow._exhaust(task, v_step, v_error, _end_attempt.now);
  return 'failed';
end
$$;

comment on function pgflow._end_attempt(pgflow._tasks, text, text, jsonb, boolean, double precision, text, timestamptz) is
  'End a live attempt that did not complete: keep its row, then queue the task again or fail it. Returns released, retrying or failed.';
