create function pgflow._shifted_lease(lease_expires_at timestamptz, task_started_at timestamptz, paused interval) returns timestamptz
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  -- A launch waits as long as it would have. A running attempt may have been renewed meanwhile: it has half a minute, the
  -- default lease, to be renewed again.
  return case when _shifted_lease.task_started_at is null then _shifted_lease.lease_expires_at + _shifted_lease.paused
    else greatest(_shifted_lease.lease_expires_at,
      least(_shifted_lease.lease_expires_at + _shifted_lease.paused, pgflow.clock() + interval '30 seconds')) end;
end
$$;

comment on function pgflow._shifted_lease(timestamptz, timestamptz, interval) is 'A lease after a pause of its run: paused time does not count as a missed lease.';
