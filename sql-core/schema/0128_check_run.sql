create function pgflow._check_run(run_id uuid, roles text[] default '{pgflow_owner}') returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_owner text;
  v_is_user boolean;
begin
  -- Before any lock: an owner never changes, and nobody holds up a run that is not theirs.
  select r.owner into v_owner from pgflow.runs r where r.run_id = _check_run.run_id;
  if v_owner = pgflow._caller() then
    return;
  end if;
  -- To a user the run of somebody else is not there; asked first, so that it takes as long to say of one as of the other.
  v_is_user := pgflow._is_user();
  if v_owner is null or v_is_user then
    raise exception 'no run %', coalesce(_check_run.run_id::text, 'null')
      using errcode = 'PF003', hint = 'Check the id and the database; runs that were pruned are gone.';
  end if;
  perform pgflow._check_owner(v_owner, format('run %s', _check_run.run_id), _check_run.roles);
end
$$;

comment on function pgflow._check_run(uuid, text[]) is
  'PF003 if there is no such run, or the caller is a user and it is another''s; else PF006 as _check_owner says.';
