create function pgflow.postpone_lease_expiry(seconds double precision) returns timestamptz
language plpgsql volatile security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_until timestamptz;
begin
  perform pgflow._check_delay('seconds', postpone_lease_expiry.seconds);
  update pgflow.sweep_marks m
  set lease_grace_until = greatest(m.lease_grace_until, pgflow.clock() + make_interval(secs => least(postpone_lease_expiry.seconds, 3600)))
  where true
  returning m.lease_grace_until into v_until;
  return v_until;
end
$$;

comment on function pgflow.postpone_lease_expiry(double precision) is
  'Declare no lease expired for so many seconds (at most an hour): for dispatchers that were cut off from the database and come back.';
