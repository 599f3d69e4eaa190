create function pgflow._insert_steps(flow_slug text, flow_version int, definition jsonb) returns void
language plpgsql volatile
set search_path to pg_catalog, pg_temp
as $$
begin
  insert into pgflow.executors (executor)
  select distinct coalesce(s.value ->> 'executor', 'local') from jsonb_array_elements(_insert_steps.definition -> 'steps') s
  order by 1
  on conflict on constraint executors_pkey do nothing;

  with raw as (
    select s.ordinality::int - 1 as step_index, s.value as step, s.value ->> 'step_slug' as slug,
      coalesce(s.value -> 'deps', '[]') as deps,
      coalesce(_insert_steps.definition -> 'options', '{}') || coalesce(s.value -> 'options', '{}') as options
    from jsonb_array_elements(_insert_steps.definition -> 'steps') with ordinality s
  ), typed as (
    select r.*, coalesce(r.step ->> 'step_type', 'single') as step_type, o.*
    from raw r, jsonb_to_record(r.options) as o (
      max_attempts int, base_delay float8, max_delay float8, backoff text, jitter float8, timeout float8, start_delay float8,
      launch_timeout float8, heartbeat_timeout float8, when_exhausted text, max_failures int, required_input jsonb,
      forbidden_input jsonb, when_unmet text, priority int)
  ), sized as (
    -- What its inputs, or the outputs of the run, can come to at most tells whether they need to be measured at all.
    select t.*, not exists (select from typed c where c.deps ? t.slug) as is_last,
      pgflow._limit('run_input') + (
        select coalesce(sum(case p.step_type when 'map' then pgflow._limit('map_output') else pgflow._limit('task_output') end), 0)
        from typed p where t.deps ? p.slug) as most_input,
      case t.step_type when 'map' then pgflow._limit('map_output') else pgflow._limit('task_output') end as most_output
    from typed t
  )
  insert into pgflow.steps (flow_slug, flow_version, step_slug, step_index, step_type, map_over, needs_run_input, params,
    executor, executor_options, handler, max_attempts, base_delay, max_delay, backoff, jitter, timeout, start_delay,
    launch_timeout, heartbeat_timeout, when_exhausted, max_failures, required_input, forbidden_input, when_unmet, priority,
    dep_count, is_plain, is_output, needs_array, input_fits, output_fits, is_last, is_counted)
  select _insert_steps.flow_slug, _insert_steps.flow_version, t.slug, t.step_index, t.step_type,
    t.step ->> 'map_over',
    coalesce((t.step -> 'needs_run_input')::boolean, false), t.step -> 'params',
    coalesce(t.step ->> 'executor', 'local'), coalesce(t.step -> 'executor_options', '{}'), t.step ->> 'handler',
    coalesce(t.max_attempts, 3), coalesce(t.base_delay, 1), coalesce(t.max_delay, 300), coalesce(t.backoff, 'exponential'),
    coalesce(t.jitter, 0.1), coalesce(t.timeout, 60), coalesce(t.start_delay, 0), coalesce(t.launch_timeout, 300),
    t.heartbeat_timeout, coalesce(t.when_exhausted, 'fail'), coalesce(t.max_failures, 0),
    nullif(t.required_input, 'null'), nullif(t.forbidden_input, 'null'), coalesce(t.when_unmet, 'skip'), coalesce(t.priority, 0),
    jsonb_array_length(t.deps),
    t.step_type = 'single' and nullif(t.required_input, 'null') is null and nullif(t.forbidden_input, 'null') is null
      and coalesce(t.start_delay, 0) = 0 and t.most_input <= pgflow._limit('task_input'),
    o.is_output,
    t.step_type = 'map' and exists (
      select from typed c
      where c.deps ? t.slug
        and (c.step_type = 'single' or c.step ->> 'map_over' <> t.slug
          or c.required_input ? t.slug or c.forbidden_input ? t.slug)),
    t.most_input <= pgflow._limit('task_input'),
    sum(t.most_output) filter (where o.is_output) over () <= pgflow._limit('run_output'),
    t.is_last, t.is_last or coalesce(bool_or('skip_cascade' in (t.when_exhausted, t.when_unmet)) over (), false)
  from sized t
    cross join lateral (select t.is_last or coalesce(t.slug = _insert_steps.definition ->> 'returns', false) as is_output) o
  order by t.step_index;

  insert into pgflow.deps (flow_slug, flow_version, dep_slug, step_slug, dep_id, step_id, is_input, is_plain)
  select _insert_steps.flow_slug, _insert_steps.flow_version, p.step_slug, c.step_slug, p.step_id, c.step_id,
    c.map_over is distinct from p.step_slug, c.is_plain
  from pgflow.steps c,
    jsonb_array_elements_text(_insert_steps.definition -> 'steps' -> c.step_index -> 'deps') d (slug)
    join pgflow.steps p on p.step_slug = d.slug
  where c.flow_slug = _insert_steps.flow_slug and c.flow_version = _insert_steps.flow_version
    and p.flow_slug = _insert_steps.flow_slug and p.flow_version = _insert_steps.flow_version;

  update pgflow.flows f
  set (counted_steps, map_over_run) = (
    select count(*) filter (where s.is_counted), min(s.step_slug) filter (where s.map_over = 'run')
    from pgflow.steps s where s.flow_slug = f.flow_slug and s.flow_version = f.flow_version)
  where f.flow_slug = _insert_steps.flow_slug and f.flow_version = _insert_steps.flow_version;

  perform pgflow._queue_id(q.executor, q.priority)
  from (select distinct s.executor, s.priority from pgflow.steps s
        where s.flow_slug = _insert_steps.flow_slug and s.flow_version = _insert_steps.flow_version order by 1, 2) q;
end
$$;

comment on function pgflow._insert_steps(text, int, jsonb) is 'Write steps, deps and queues of a new flow version, defaults filled in.';
