create function pgflow._check_acyclic(flow_slug text, steps jsonb) returns void
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
declare
  v_from text[];
  v_to text[];
  v_count int;
begin
  select array_agg(d.slug), array_agg(s.value ->> 'step_slug') into v_from, v_to
  from jsonb_array_elements(_check_acyclic.steps) s, jsonb_array_elements_text(nullif(s.value -> 'deps', 'null')) d (slug);
  -- Take away the edges that leave a step nothing leads to, until nothing moves: what stays is in or behind a cycle.
  loop
    v_count := coalesce(cardinality(v_from), 0);
    exit when v_count = 0;
    select array_agg(e.source), array_agg(e.target) into v_from, v_to
    from unnest(v_from, v_to) e (source, target)
    where e.source in (select t.target from unnest(v_to) t (target));
    if cardinality(v_from) = v_count then
      raise exception 'flow "%": steps depend on each other in a cycle: %', _check_acyclic.flow_slug,
          (select string_agg(distinct format('"%s"', t.target), ', ') from unnest(v_to) t (target))
        using errcode = 'PF001';
    end if;
  end loop;
end
$$;

comment on function pgflow._check_acyclic(text, jsonb) is 'PF001 naming the steps if they form a cycle.';
