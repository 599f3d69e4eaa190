create function pgflow.clock() returns timestamptz
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_fake text := current_setting('pgflow.fake_now', true);
begin
  -- Two ifs: the common one is a plain expression, the second a query.
  if v_fake <> '' then
    if pg_has_role(session_user, (select n.nspowner from pg_catalog.pg_namespace n where n.nspname = 'pgflow'), 'usage') then
      return v_fake::timestamptz;
    end if;
  end if;
  return clock_timestamp();
end
$$;

comment on function pgflow.clock() is 'The one clock of the engine: the time of day, or pgflow.fake_now when the owner of the schema set it.';
