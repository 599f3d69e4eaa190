-- The one place of the limits; docs/reference/limits.md shows them to users. Sizes of values are those of jsonb in memory, which
-- pg_column_size tells without reading the value. PostgreSQL takes 268,435,455 bytes for one: a task input of the greatest size
-- still fits with its keys, run input and item.
-- Without a pinned search_path, so that the planner inlines it (as a constant).
create function pgflow._limit(name text) returns bigint
language sql immutable strict parallel safe
as $$
  select case name
    when 'run_input' then 16777216
    when 'task_output' then 16777216
    when 'map_items' then 100000
    when 'map_output' then 67108864
    when 'task_input' then 134217728
    when 'run_output' then 134217728
    when 'error' then 65536
    when 'log_tail' then 65536
    when 'tags' then 16384
    when 'name' then 1000
    when 'reason' then 4000
    when 'handle' then 8192
    when 'definition' then 4194304
    when 'steps' then 10000
  end
$$;

comment on function pgflow._limit(text) is 'What is too large: bytes of values, characters of texts, bytes of names, and counts.';
