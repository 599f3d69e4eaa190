create function pgflow._ended_attempt(run_id uuid, step_slug text, task_index int, token_hash bytea, outcome text) returns boolean
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  return exists (
    select from pgflow.step_task_attempts a
    where a.run_id = _ended_attempt.run_id and a.step_slug = _ended_attempt.step_slug and a.task_index = _ended_attempt.task_index
      and a.token_hash = _ended_attempt.token_hash and a.ended_by = _ended_attempt.outcome)
    or _ended_attempt.outcome = 'complete' and exists (
      select from pgflow.superseded_attempts a
      where a.run_id = _ended_attempt.run_id and a.step_slug = _ended_attempt.step_slug and a.task_index = _ended_attempt.task_index
        and a.token_hash = _ended_attempt.token_hash);
end
$$;

comment on function pgflow._ended_attempt(uuid, text, int, bytea, text) is 'Whether an attempt with this token was ended by this verb, in history.';
