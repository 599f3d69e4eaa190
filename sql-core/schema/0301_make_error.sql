create function pgflow._make_error(error jsonb, code text, message text, step_slug text, task_index int, attempt int) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_error jsonb;
begin
  -- Keys that are null say nothing; what lies deeper is the user's, and stays as it is.
  select coalesce(pgflow._object(array_agg(e.key), array_agg(e.value)), '{}') into v_error
  from jsonb_each(case when jsonb_typeof(_make_error.error) = 'object' then _make_error.error
    else jsonb_build_object('message', _make_error.error) end) e
  where e.value <> 'null';
  if pg_column_size(v_error) > pgflow._limit('error') then
    v_error := pgflow._cut_error(v_error);
  end if;
  return v_error || jsonb_strip_nulls(jsonb_build_object(
    'code', coalesce(v_error ->> 'code', _make_error.code), 'message', coalesce(v_error ->> 'message', _make_error.message),
    'step_slug', _make_error.step_slug, 'task_index', _make_error.task_index, 'attempt', _make_error.attempt));
end
$$;

comment on function pgflow._make_error(jsonb, text, text, text, int, int) is
  'An error object {code, message, ..., step_slug, task_index, attempt}, both texts, from whatever was reported.';
