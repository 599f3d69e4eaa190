create function pgflow._make_error(error jsonb, code text, message text, step_slug text, task_index int, attempt int) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_error jsonb := case when jsonb_typeof(_make_error.error) = 'object' then jsonb_strip_nulls(_make_error.error)
    else jsonb_strip_nulls(jsonb_build_object('message', _make_error.error)) end;
begin
  return v_error || jsonb_strip_nulls(jsonb_build_object(
    'code', coalesce(v_error ->> 'code', _make_error.code), 'message', coalesce(v_error ->> 'message', _make_error.message),
    'step_slug', _make_error.step_slug, 'task_index', _make_error.task_index, 'attempt', _make_error.attempt));
end
$$;

comment on function pgflow._make_error(jsonb, text, text, text, int, int) is
  'An error object {code, message, ..., step_slug, task_index, attempt}, both texts, from whatever was reported.';
