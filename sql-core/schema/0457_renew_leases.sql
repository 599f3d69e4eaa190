create function pgflow._renew_leases(tasks jsonb, lease_seconds double precision, now timestamptz) returns void
language plpgsql volatile
set search_path to ''
as $$
begin
  -- skip locked: a row that somebody is ending or renewing needs no renewal, and a heartbeat waits for nobody.
  with free as (
    select t.run_id, t.step_slug,
      case when t.instance_id is null then _renew_leases.lease_seconds else coalesce(s.heartbeat_timeout, _renew_leases.lease_seconds) end as lease
    from jsonb_to_recordset(_renew_leases.tasks) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid)
      join pgflow.run_steps t on t.run_id = r.run_id and t.step_slug = r.step_slug
      join pgflow.steps s on s.step_id = t.step_id
    where r.task_index = 0 and t.status = 'running' and t.task_started_at is not null and t.lease_expires_at is not null
      and t.token_hash = pgflow._token_hash(r.attempt_token)
    for no key update of t skip locked
  )
  update pgflow.run_steps t
  set lease_expires_at = greatest(t.lease_expires_at, _renew_leases.now + make_interval(secs => f.lease))
  from free f where t.run_id = f.run_id and t.step_slug = f.step_slug;

  with free as (
    select t.run_id, t.step_slug, t.task_index,
      case when t.instance_id is null then _renew_leases.lease_seconds else coalesce(s.heartbeat_timeout, _renew_leases.lease_seconds) end as lease
    from jsonb_to_recordset(_renew_leases.tasks) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid)
      join pgflow.map_tasks t on t.run_id = r.run_id and t.step_slug = r.step_slug and t.task_index = r.task_index
      join pgflow.steps s on s.step_id = t.step_id
    where t.end_status is null and t.task_started_at is not null and t.lease_expires_at is not null
      and t.token_hash = pgflow._token_hash(r.attempt_token)
    for no key update of t skip locked
  )
  update pgflow.map_tasks t
  set lease_expires_at = greatest(t.lease_expires_at, _renew_leases.now + make_interval(secs => f.lease))
  from free f where t.run_id = f.run_id and t.step_slug = f.step_slug and t.task_index = f.task_index;
end
$$;

comment on function pgflow._renew_leases(jsonb, double precision, timestamptz) is 'Renew the leases of those of these attempts that are current.';
