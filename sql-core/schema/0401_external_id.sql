create function pgflow._external_id(run_id uuid, step_slug text, task_index int, attempt int) returns text
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  return format('pgf-%s-%s',
    left(encode(sha256(convert_to(format('%s/%s/%s', _external_id.run_id, _external_id.step_slug, _external_id.task_index), 'UTF8')), 'hex'), 26),
    _external_id.attempt);
end
$$;

comment on function pgflow._external_id(uuid, text, int, int) is
  'The name of an attempt in the place it is launched to, the same whoever computes it: at most 52 characters of a-z, 0-9 and dash.';
