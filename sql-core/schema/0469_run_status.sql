create function pgflow._run_status(run_id uuid) returns text
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_status text;
begin
  select r.status into v_status from pgflow.runs r where r.run_id = _run_status.run_id;
  if not found then
    raise exception 'no run %', coalesce(_run_status.run_id::text, 'null')
      using errcode = 'PF003', hint = 'Check the id and the database; runs that were pruned are gone.';
  end if;
  return v_status;
end
$$;

comment on function pgflow._run_status(uuid) is 'Status of a run; PF003 if there is none.';
