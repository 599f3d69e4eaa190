create function pgflow.step(step_slug text, deps text[] default null, step_type text default null, map_over text default null,
  needs_run_input boolean default null, params jsonb default null, executor text default null,
  executor_options jsonb default null, handler text default null, options jsonb default null) returns jsonb
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_object_agg(e.key, e.value)
    from jsonb_each(jsonb_build_object(
      'step_slug', step.step_slug, 'deps', to_jsonb(step.deps), 'step_type', step.step_type, 'map_over', step.map_over,
      'needs_run_input', step.needs_run_input, 'params', step.params, 'executor', step.executor,
      'executor_options', step.executor_options, 'handler', step.handler, 'options', step.options)) e
    where e.value <> 'null' or e.key = 'step_slug');
end
$$;

comment on function pgflow.step(text, text[], text, text, boolean, jsonb, text, jsonb, text, jsonb) is
  'A step of a definition, for people who write SQL; use inside pgflow.flow().';
