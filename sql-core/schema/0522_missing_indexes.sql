create function pgflow.missing_indexes(expected text[]) returns setof text
language sql stable security definer
set search_path to pg_catalog, pg_temp
as $$
  select e.name from unnest(missing_indexes.expected) e (name)
  except
  select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid where c.relnamespace = 'pgflow'::regnamespace
$$;

comment on function pgflow.missing_indexes(text[]) is 'Which of the indexes that a release ships with are not there.';
