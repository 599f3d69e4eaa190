create function pgflow._cut_error(error jsonb) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_most int := pgflow._limit('error') / 8;
begin
  -- In characters of at most four bytes: the two long texts together are no larger than the limit. A traceback tells most at its end.
  return (
    select coalesce(jsonb_object_agg(e.key,
        case
          when length(e.text) <= v_most then e.text
          when e.key = 'traceback' then format('[cut, of %s characters] %s', length(e.text), right(e.text, v_most))
          else format('%s [cut, of %s characters]', left(e.text, case when e.key = 'message' then v_most else 200 end), length(e.text))
        end), '{}') || '{"truncated": true}'
    from (select o.key, o.value #>> '{}' as text from jsonb_each(_cut_error.error) o) e
    where e.key in ('code', 'type', 'message', 'traceback'));
end
$$;

comment on function pgflow._cut_error(jsonb) is 'What is kept of an error that is too large: its known keys, their texts cut and marked.';
