create function pgflow._caller() returns text
language plpgsql stable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_claims text := current_setting('request.jwt.claims', true);
  v_subject text;
begin
  -- Two ifs: the common one is a plain expression.
  if coalesce(v_claims, '') = '' then
    return session_user;
  end if;
  begin
    if jsonb_typeof(v_claims::jsonb) <> 'object' then
      raise invalid_text_representation;
    end if;
    v_subject := nullif(v_claims::jsonb ->> 'sub', '');
  exception when data_exception then
    raise exception 'request.jwt.claims is not a JSON object' using errcode = 'PF008', hint = 'Set it to the claims of a token, or to nothing.';
  end;
  if v_subject is null then
    -- A login that passes its users in is nobody itself: each role that it takes is somebody else.
    return case when has_schema_privilege(session_user, 'pgflow', 'usage') then session_user else pgflow._effective_role() end;
  end if;
  -- Anybody may set the setting. It is believed of a login that has no rights here of its own and passes its users in by
  -- `set role`, as PostgREST does, and of those who may act for everybody anyway.
  if has_schema_privilege(session_user, 'pgflow', 'usage') and not pgflow._has_role(session_user, '{pgflow_owner}') then
    raise exception 'login "%" may not speak for "%"', session_user, v_subject using errcode = 'PF006',
      hint = format('Unset request.jwt.claims; or, if %I passes other users in, alter role %I noinherit, and set role before each call.',
        session_user, session_user);
  end if;
  return v_subject;
end
$$;

comment on function pgflow._caller() is
  'Who calls, as runs.owner has it: the subject of request.jwt.claims, or session_user (of claims without a subject, if that has no rights of its own, the role it took). PF006 if the login may not claim to be somebody else, PF008 if the claims are malformed.';
