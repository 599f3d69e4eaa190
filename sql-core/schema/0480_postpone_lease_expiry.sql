create function pgflow.postpone_lease_expiry(seconds double precision) returns timestamptz
language plpgsql volatile
set search_path to ''
as $$
declare
  v_until timestamptz;
begin
  if not coalesce(postpone_lease_expiry.seconds between 0 and 315360000, false) then
    raise exception 'seconds must be between 0 and 315360000, not %', postpone_lease_expiry.seconds using errcode = 'PF008';
  end if;
  update pgflow.sweep_marks m
  set lease_grace_until = greatest(m.lease_grace_until, pgflow.clock() + make_interval(secs => least(postpone_lease_expiry.seconds, 3600)))
  returning m.lease_grace_until into v_until;
  return v_until;
end
$$;

comment on function pgflow.postpone_lease_expiry(double precision) is
  'Declare no lease expired for so many seconds (at most an hour): for dispatchers that were cut off from the database and come back.';
