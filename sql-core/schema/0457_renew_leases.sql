create function pgflow._renew_leases(tasks jsonb, lease_seconds double precision, now timestamptz) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- skip locked: a row that somebody is ending or renewing needs no renewal, and a heartbeat waits for nobody.
  with free as (
    select t.place,
      case when t.instance_id is null then _renew_leases.lease_seconds else coalesce(s.heartbeat_timeout, _renew_leases.lease_seconds) end as lease
    from jsonb_to_recordset(_renew_leases.tasks) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid)
      cross join lateral (
        select x.ctid as place, x.step_id, x.instance_id from pgflow.run_steps x
        where x.run_id = r.run_id and x.step_slug = r.step_slug and x.status = 'running' and x.task_started_at is not null
          and x.lease_expires_at is not null and x.token_hash = pgflow._token_hash(r.attempt_token)
        for no key update of x skip locked) t
      cross join lateral (select x.heartbeat_timeout from pgflow.steps x where x.step_id = t.step_id offset 0) s
    where r.task_index = 0
  )
  update pgflow.run_steps t
  set lease_expires_at = greatest(t.lease_expires_at, _renew_leases.now + make_interval(secs => f.lease))
  from free f where t.ctid = f.place;

  with free as (
    select t.place,
      case when t.instance_id is null then _renew_leases.lease_seconds else coalesce(s.heartbeat_timeout, _renew_leases.lease_seconds) end as lease
    from jsonb_to_recordset(_renew_leases.tasks) as r (run_id uuid, step_slug text, task_index int, attempt_token uuid)
      cross join lateral (
        select x.ctid as place, x.step_id, x.instance_id from pgflow.map_tasks x
        where x.run_id = r.run_id and x.step_slug = r.step_slug and x.task_index = r.task_index and x.end_status is null
          and x.task_started_at is not null and x.lease_expires_at is not null
          and x.token_hash = pgflow._token_hash(r.attempt_token)
        for no key update of x skip locked) t
      cross join lateral (select x.heartbeat_timeout from pgflow.steps x where x.step_id = t.step_id offset 0) s
  )
  update pgflow.map_tasks t
  set lease_expires_at = greatest(t.lease_expires_at, _renew_leases.now + make_interval(secs => f.lease))
  from free f where t.ctid = f.place;
end
$$;

comment on function pgflow._renew_leases(jsonb, double precision, timestamptz) is 'Renew the leases of those of these attempts that are current.';
