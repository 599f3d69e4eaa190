create function pgflow._backoff(step pgflow.steps, failures int) returns double precision
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  return least(
      step.max_delay,
      step.base_delay * case when step.backoff = 'exponential' then power(2, least(_backoff.failures - 1, 60)) else 1 end)
    * (1 + step.jitter * random());
end
$$;

comment on function pgflow._backoff(pgflow.steps, int) is 'Seconds to wait after the given number of failures.';
