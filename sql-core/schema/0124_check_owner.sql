create function pgflow._check_owner(owner text, what text, roles text[] default '{pgflow_owner}') returns void
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
begin
  -- Whose it is stays untold.
  if _check_owner.owner is distinct from pgflow._caller() and not pgflow._has_role(pgflow._effective_role(), _check_owner.roles) then
    raise exception '% belongs to another user than "%"', _check_owner.what, pgflow._caller() using errcode = 'PF006',
      hint = 'Connect as the user who started it, or as a member of pgflow_owner.';
  end if;
end
$$;

comment on function pgflow._check_owner(text, text, text[]) is
  'PF006 unless the caller owns it, owns the schema, or has one of the roles that are for everybody''s runs.';
