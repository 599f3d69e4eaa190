create function pgflow._make_error(error jsonb, code text, message text, step_slug text, task_index int, attempt int) returns jsonb
language plpgsql immutable
set search_path to ''
as $$
begin
  return jsonb_build_object(
      'code', _make_error.code,
      'message', case when jsonb_typeof(_make_error.error) = 'string' then _make_error.error #>> '{}'
        else coalesce(nullif(_make_error.error, 'null')::text, _make_error.message) end)
    || case when jsonb_typeof(_make_error.error) = 'object' then
        case when _make_error.error ? 'message' then '{}' else jsonb_build_object('message', _make_error.message) end
        || jsonb_strip_nulls(_make_error.error) else '{}' end
    || jsonb_strip_nulls(jsonb_build_object('step_slug', _make_error.step_slug, 'task_index', _make_error.task_index,
        'attempt', _make_error.attempt));
end
$$;

comment on function pgflow._make_error(jsonb, text, text, text, int, int) is
  'An error object {code, message, ..., step_slug, task_index, attempt} from whatever was reported.';
