create function pgflow._check_claim(executor text, worker_id text, max_tasks int, lease_seconds double precision, mode text, inputs text) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  if octet_length(_check_claim.worker_id) > pgflow._limit('name') then
    perform pgflow._check_name('worker_id', _check_claim.worker_id);
  elsif _check_claim.executor is null or _check_claim.worker_id is null then
    raise exception 'executor and worker_id must be given' using errcode = 'PF008';
  elsif _check_claim.max_tasks is null or _check_claim.max_tasks not between 0 and 10000 then
    raise exception 'max_tasks must be between 0 and 10000' using errcode = 'PF008';
  elsif _check_claim.lease_seconds is null or not (_check_claim.lease_seconds > 0 and _check_claim.lease_seconds <= 315360000) then
    raise exception 'lease_seconds must be greater than 0' using errcode = 'PF008';
  elsif coalesce(_check_claim.mode, '') not in ('start', 'launch') then
    raise exception 'mode must be start or launch' using errcode = 'PF008';
  elsif coalesce(_check_claim.inputs, '') not in ('full', 'none') then
    raise exception 'inputs must be full or none' using errcode = 'PF008';
  end if;
end
$$;

comment on function pgflow._check_claim(text, text, int, double precision, text, text) is 'PF008 if the arguments of a claim make no sense.';
