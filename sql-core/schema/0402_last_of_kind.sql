create function pgflow._last_of_kind(task_indexes int[], first int) returns int
language plpgsql immutable
set search_path to pg_catalog, pg_temp
as $$
begin
  for i in _last_of_kind.first + 1 .. cardinality(_last_of_kind.task_indexes) loop
    if (_last_of_kind.task_indexes[i] < 0) <> (_last_of_kind.task_indexes[_last_of_kind.first] < 0) then
      return i - 1;
    end if;
  end loop;
  return cardinality(_last_of_kind.task_indexes);
end
$$;

comment on function pgflow._last_of_kind(int[], int) is
  'Where the neighbours end that are of one kind with the first: tasks of single steps (index -1), or items of maps.';
