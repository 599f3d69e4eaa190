-- Without a pinned search_path, so that the planner inlines it; every name in it is qualified.
create function pgflow.live_status(lease_expires_at timestamptz, task_started_at timestamptz) returns text
language sql immutable parallel safe
as $$
  select case when lease_expires_at is null then 'queued' when task_started_at is null then 'claimed' else 'running' end
$$;

comment on function pgflow.live_status(timestamptz, timestamptz) is 'The status of a task that has not ended: the one place that says what queued, claimed and running mean.';
