create function pgflow._check_claim(executor text, worker_id text, max_tasks int, lease_seconds double precision, mode text, inputs text)
  returns boolean
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  -- One expression: each costs anew in every transaction.
  v_problem constant text := case
    when _check_claim.executor is null or _check_claim.worker_id is null then 'executor and worker_id must be given'
    when _check_claim.max_tasks is null or _check_claim.max_tasks not between 0 and 10000 then 'max_tasks must be between 0 and 10000'
    when _check_claim.lease_seconds is null or not (_check_claim.lease_seconds > 0 and _check_claim.lease_seconds <= 315360000)
      then 'lease_seconds must be greater than 0'
    when coalesce(_check_claim.mode, '') not in ('start', 'launch') then 'mode must be start or launch'
    when coalesce(_check_claim.inputs, '') not in ('full', 'none') then 'inputs must be full or none' end;
begin
  if octet_length(_check_claim.worker_id) > pgflow._limit('name') then
    perform pgflow._check_name('worker_id', _check_claim.worker_id);
  elsif v_problem is not null then
    raise exception '%', v_problem using errcode = 'PF008';
  end if;
  return true;
end
$$;

comment on function pgflow._check_claim(text, text, int, double precision, text, text) is 'True; PF008 if the arguments of a claim make no sense.';
